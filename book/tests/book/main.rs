//! The book: that what it shows is current, that its links lead somewhere, and that it can be read.
//!
//! To accept what the book shows now: `INSTA_UPDATE=always cargo test -p book`.

use common::harness::{self, tests};

mod browser;
mod generated;
mod pages;
mod pipe;
mod refused;
#[path = "../../run.rs"]
mod run;

fn main() {
    let mut all = tests![
        generated::what_the_book_includes_is_current,
        pages::the_summary_lists_each_page_once,
        pages::each_include_finds_its_file_and_its_anchor,
        pages::code_and_output_are_included_and_not_typed,
        pages::each_link_leads_somewhere,
        pages::each_path_and_package_that_is_named_exists,
        pages::each_flag_of_a_lesson_is_one_that_it_takes,
        pages::each_test_that_is_named_exists,
        pages::what_is_indented_is_code,
        pages::each_heading_has_an_id_of_its_own,
        pages::each_lesson_keeps_the_order_of_its_sections,
        pages::each_line_of_code_in_a_hint_is_in_the_solution,
        refused::what_does_not_compile_does_not_compile,
    ];
    all.extend(browser::tests());
    harness::main(all)
}
