'use strict';

// Code from the middle of a function stands as far to the left as it can.
for (const code of document.querySelectorAll('pre > code')) {
    const lines = code.textContent.split('\n').filter(line => line.trim());
    const indent = Math.min(...lines.map(line => line.search(/\S/)));
    if (!(indent > 0 && indent < Infinity)) continue;
    const walker = document.createTreeWalker(code, NodeFilter.SHOW_TEXT);
    let startsLine = true;
    for (let text = walker.nextNode(); text; text = walker.nextNode()) {
        const content = text.data;
        const margin = new RegExp(`(^|\n) {${indent}}`, 'g');
        text.data = content.replace(margin, (all, before, at) => at > 0 || before || startsLine ? before : all);
        startsLine = content.endsWith('\n');
    }
}

// A server of the book has no other file of the repository: there a link to one is its path, to be read.
if (location.protocol.startsWith('http')) {
    for (const link of document.querySelectorAll('main a[href^="../../"]')) {
        link.title = link.getAttribute('href').replace('../../', '');
        link.removeAttribute('href');
    }
}

// Code that is wider than the page is scrolled with the arrow keys.
for (const scrolled of document.querySelectorAll('main pre, main .table-wrapper')) {
    if (scrolled.scrollWidth > scrolled.clientWidth) scrolled.tabIndex = 0;
}
