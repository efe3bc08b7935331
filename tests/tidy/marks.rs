//! Parts of documents that a rule holds against something: they stand between two marks, which readers do not see.

/// The lines between `<!-- name -->` and `<!-- /name -->`, with their numbers; none where the marks are not.
pub(crate) fn between<'a>(text: &'a str, name: &str) -> Vec<(usize, &'a str)> {
    let (begin, end) = (format!("<!-- {name} -->"), format!("<!-- /{name} -->"));
    let lines = text.lines().zip(1..);
    lines
        .skip_while(|(line, _)| *line != begin)
        .skip(1)
        .take_while(|(line, _)| *line != end)
        .map(|(line, number)| (number, line))
        .collect()
}

/// Goal: only what is between the marks is given, and each line with its number.
#[test]
fn a_part_is_what_is_between_its_marks() {
    let text = "a\n<!-- one -->\nb\n\nc\n<!-- /one -->\nd\n";
    assert_eq!(between(text, "one"), [(3, "b"), (4, ""), (5, "c")]);
    assert_eq!(between(text, "two"), []);
}
