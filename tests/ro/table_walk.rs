//! The table's examples through the program: what passes reaches `bd` in canonical form, what is refused starts nothing.

use mesh_bd_ro::parse::{Parsed, parse};
use mesh_bd_ro::table::{REFUSED_OUTRIGHT, RULES, words};
use mesh_testkit::ro::checker::Checker;

use crate::support::{Lab, run, stderr, stdout};

#[test]
fn each_passing_example_reaches_bd_in_canonical_form_and_nothing_else_is_added() {
    let lab = Lab::new();
    let checker = Checker::default();
    let examples: Vec<&str> = RULES.iter().flat_map(|rule| rule.passes).copied().collect();
    for example in &examples {
        let output = run(lab.wrapper(example));
        assert_eq!(
            output.status.code(),
            Some(0),
            "{example:?}: {}",
            stderr(&output)
        );
        assert_eq!(
            (stdout(&output).as_str(), stderr(&output).as_str()),
            ("answer\n", "remark\n"),
            "{example:?}"
        );
    }
    let calls = lab.calls();
    assert_eq!(calls.len(), examples.len());
    for (example, mut call) in examples.iter().zip(calls) {
        let args: Vec<_> = words(example).into_iter().map(Into::into).collect();
        let Ok(Parsed::Request(request)) = parse(&args) else {
            panic!("{example:?} passes")
        };
        call.args[0] = "bd".into();
        assert_eq!(
            call.args,
            mesh_bd_ro::canonical::argv(&request),
            "{example:?}"
        );
        assert_eq!(checker.check(&call.args), Ok(()), "{example:?}");
    }
}

#[test]
fn each_refused_example_exits_77_with_one_line_and_starts_nothing() {
    let lab = Lab::new();
    let examples = RULES
        .iter()
        .flat_map(|rule| rule.refuses)
        .chain(REFUSED_OUTRIGHT);
    for example in examples {
        let output = run(lab.wrapper(example));
        assert_eq!(
            output.status.code(),
            Some(77),
            "{example:?}: {}",
            stderr(&output)
        );
        assert_eq!(stdout(&output), "", "{example:?}");
        let line = stderr(&output);
        assert!(
            line.starts_with("mesh-bd-ro: refused (") && line.lines().count() == 1,
            "{example:?}: {line}"
        );
    }
    assert!(lab.calls().is_empty(), "a refused call started bd");
}
