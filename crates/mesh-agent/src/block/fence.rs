//! Code fences around and above a final block.

/// A line that opens or closes a code fence.
struct Mark {
    character: char,
    length: usize,
    has_info: bool,
}

fn mark(line: &str) -> Option<Mark> {
    let trimmed = line.trim_start_matches(' ');
    // Four blanks make it plain text of an indented block.
    if line.len() - trimmed.len() > 3 {
        return None;
    }
    let character = trimmed.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let length = trimmed.chars().take_while(|c| *c == character).count();
    let info = trimmed[length..].trim();
    let is_code_in_a_line = character == '`' && info.contains('`');
    (length >= 3 && !is_code_in_a_line).then_some(Mark {
        character,
        length,
        has_info: !info.is_empty(),
    })
}

/// The non-empty lines without a fence that holds exactly the last `held` of them and is the end of the text; nothing when there is
/// no such fence.
pub(super) fn unwrapped<'a>(lines: &[&str], full: &'a [usize], held: usize) -> Option<&'a [usize]> {
    let open = full.get(full.len().checked_sub(held + 2)?)?;
    let (close, before) = full.split_last()?;
    let (first, last) = (mark(lines[*open])?, mark(lines[*close])?);
    let is_pair =
        first.character == last.character && first.length <= last.length && !last.has_info;
    // Else the first one is the end of an earlier fence, and the last one opens another.
    (is_pair && !is_open_at(lines, *open)).then_some(before)
}

/// Whether line `index` stands inside a fence.
///
/// Fences are read in two ways: by the rules of Markdown, where a fence with an info string inside another one is text, and as
/// models nest them, where it opens a level of its own. A line counts as inside only if both say so: a log with a stray fence in it
/// must not cost a block that is plainly there, and a block that really is quoted is inside in both readings.
pub(super) fn is_open_at(lines: &[&str], index: usize) -> bool {
    let mut by_rule: Option<(char, usize)> = None;
    let mut nested: Vec<(char, usize)> = Vec::new();
    for mark in lines[..index].iter().filter_map(|line| mark(line)) {
        let closes = |open: &(char, usize)| {
            open.0 == mark.character && open.1 <= mark.length && !mark.has_info
        };
        let opened = (mark.character, mark.length);
        by_rule = match by_rule {
            None => Some(opened),
            Some(open) if closes(&open) => None,
            Some(open) => Some(open),
        };
        match nested.last() {
            Some(open) if closes(open) => drop(nested.pop()),
            Some(_) if !mark.has_info => {}
            _ => nested.push(opened),
        }
    }
    by_rule.is_some() && !nested.is_empty()
}
