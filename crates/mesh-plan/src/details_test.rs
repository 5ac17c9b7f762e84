use super::*;

fn joined(commands: &[&str]) -> Option<String> {
    let commands: Vec<String> = commands
        .iter()
        .map(|command| (*command).to_owned())
        .collect();
    join_commands(&commands)
}

#[test]
fn plain_commands_are_joined_plainly() {
    assert_eq!(joined(&[]), None);
    assert_eq!(joined(&["  "]), None);
    assert_eq!(
        joined(&["cargo test # all"]).as_deref(),
        Some("cargo test # all")
    );
    assert_eq!(
        joined(&["cargo build", "cargo test"]).as_deref(),
        Some("cargo build && cargo test")
    );
}

#[test]
fn a_command_cannot_swallow_its_neighbour() {
    assert_eq!(
        joined(&["true # fine", "a || b", "make"]).as_deref(),
        Some("{\ntrue # fine\n} && {\na || b\n} && make")
    );
}

#[test]
fn verify_lines_are_found_in_all_their_dress() {
    let text = "It works.\n- Verify: `cargo test -p x`  (all of them)\n**Verify:** make check\n* [ ] verify: ./t.sh  # quick\n\
                Verify: none\nVerify:\nVerify it: no\nI verify: no\nVerify: ``a `b` c``";
    assert_eq!(
        verify_lines(text),
        [
            "cargo test -p x",
            "make check",
            "./t.sh  # quick",
            "a `b` c"
        ]
    );
}

#[test]
fn the_fingerprint_is_fnv_1a_128_and_sees_where_a_word_stands() {
    // The offset basis is what an empty input gives, by definition of the function.
    assert_eq!(fingerprint(&[]), "6c62272e07bb014262b821756295c58d");
    assert_ne!(fingerprint(&["ab", "c"]), fingerprint(&["a", "bc"]));
    assert_eq!(fingerprint(&["ab", "c"]), fingerprint(&["ab", "c"]));
}
