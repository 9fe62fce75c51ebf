//! Whether an exercise is still to be begun.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Whether the body of every function in the source text is exactly `todo!(…)`. Comments and spaces are nothing. An
/// answer that is half begun is no longer untouched: it is run and judged.
pub(super) fn is_untouched(source: &str) -> bool {
    // What does not parse does not compile either, and nobody gets here.
    let Ok(tokens) = source.parse::<TokenStream>() else { return false };
    let bodies = bodies(tokens);
    !bodies.is_empty() && bodies.into_iter().all(is_todo)
}

/// The bodies of all functions that have a name, those in modules and `impl` blocks included.
fn bodies(tokens: TokenStream) -> Vec<TokenStream> {
    let mut bodies = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    let mut in_function = false;
    while let Some(token) = tokens.next() {
        match token {
            // `fn(u32) -> u32` is a type.
            TokenTree::Ident(word) if word == "fn" => {
                in_function |= matches!(tokens.peek(), Some(TokenTree::Ident(_)));
            }
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => match in_function {
                true => {
                    in_function = false;
                    bodies.push(group.stream());
                }
                false => bodies.extend(self::bodies(group.stream())),
            },
            _ => {}
        }
    }
    bodies
}

fn is_todo(body: TokenStream) -> bool {
    let tokens: Vec<TokenTree> = body.into_iter().collect();
    match &tokens[..] {
        [TokenTree::Ident(name), TokenTree::Punct(mark), TokenTree::Group(_), rest @ ..] => {
            let ends = match rest {
                [] => true,
                [TokenTree::Punct(end)] => end.as_char() == ';',
                _ => false,
            };
            name == "todo" && mark.as_char() == '!' && ends
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn todo_and_nothing_else_is_untouched() {
        for source in [
            "pub fn answer() -> u32 { todo!() }",
            "//! Task\nuse a::b;\n\npub fn answer(x: fn(u32) -> u32, y: [u32; 4]) -> [u32; 4] {\n    // Here.\n    todo!(\"run {x} in }\");\n}\n",
            "fn a() { todo!() } fn b<T>() where T: Fn() { /* } */ todo! { } }",
        ] {
            assert!(is_untouched(source), "{source}");
        }
    }

    #[test]
    fn whatever_was_begun_is_judged() {
        for source in [
            "",
            "pub fn answer() {}",
            "pub fn answer() { let x = 1; todo!() }",
            "pub fn answer() { // todo!()\n }",
            "pub fn answer() { \"todo!()\"; }",
            "pub fn answer() { todo!() + 1 }",
            "pub fn answer() { unimplemented!() }",
            "pub fn answer() { todo!() } fn help() { work() }",
            "pub fn answer() { help() } fn help() { todo!() }",
            "mod m { impl X { fn help() { work() } } } pub fn answer() { todo!() }",
        ] {
            assert!(!is_untouched(source), "{source}");
        }
    }
}
