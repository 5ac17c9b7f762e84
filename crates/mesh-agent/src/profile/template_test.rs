use super::*;
use proptest::prelude::*;

fn values<'a>(task: &'a str, workspace: &'a str) -> Values<'a> {
    Values {
        prompt_file: Path::new("/r/prompt.md"),
        workspace: Path::new(workspace),
        task,
        attempt: 2,
    }
}

fn words(template: &str, task: &str) -> Vec<String> {
    let template = Template::parse(template).unwrap();
    let args = template.args(&values(task, "/w/a b")).unwrap();
    std::iter::once(template.program().to_owned())
        .chain(args.into_iter().map(|arg| arg.into_string().unwrap()))
        .collect()
}

#[test]
fn words_and_placeholders() {
    let check =
        |template, wanted: &[&str]| assert_eq!(words(template, "t-1"), wanted, "{template}");
    check("agent", &["agent"]);
    check(
        "agent --file {prompt_file} -n {attempt}",
        &["agent", "--file", "/r/prompt.md", "-n", "2"],
    );
    check(
        "agent --dir={workspace}/x '{task}'",
        &["agent", "--dir=/w/a b/x", "t-1"],
    );
    check(
        "'my agent' \"two words\" a\\ b ''",
        &["my agent", "two words", "a b", ""],
    );
    check(
        "agent {{task}} {{{task}}}",
        &["agent", "{task}", "{{task}}"],
    );
    check(
        "agent ${HOME} {} { task } {\"a\":{\"b\":1}} {1}",
        &[
            "agent",
            "${HOME}",
            "{}",
            "{",
            "task",
            "}",
            "{a:{b:1}}",
            "{1}",
        ],
    );
    check("agent {task}{attempt}", &["agent", "t-12"]);
}

#[test]
fn no_value_splits_or_adds_a_word() {
    for task in [
        "../../x",
        "a b",
        "a\"b'c",
        "$(reboot)",
        "; reboot",
        "--help",
        "{workspace}",
        "{{attempt}}",
        "\\",
        "",
        "ü",
    ] {
        assert_eq!(words("agent {task} end", task), ["agent", task, "end"]);
    }
}

#[test]
fn values_in_a_shells_script_must_be_inert() {
    let fill = |template: &str, task: &str| {
        Template::parse(template)
            .unwrap()
            .args(&values(task, "/w"))
            .map_err(|unsafe_value| unsafe_value.to_string())
    };
    for template in [
        "sh -c 'agent {task}'",
        "/bin/bash -lc \"agent {task}\"",
        "env A=b bash -e -c 'x {task}' name",
    ] {
        assert!(fill(template, "mesh-1.2").is_ok(), "{template}");
        for task in [
            "a b",
            "$(reboot)",
            ";reboot",
            "a'b",
            "a`b`",
            "ü",
            "a\\b",
            "*",
            "~",
            "a\nb",
        ] {
            let problem = fill(template, task).unwrap_err();
            assert!(
                problem.contains("use \"$MESH_TASK\" there"),
                "{template}: {problem}"
            );
        }
    }
    // As an argument of the script it is only a word.
    assert!(fill("sh -c 'agent \"$1\"' name {task}", "$(reboot)").is_ok());
    assert!(fill("agent -c '{task}'", "$(reboot)").is_ok());
}

#[test]
fn all_problems_are_listed() {
    let check = |template, wanted: &[&str]| {
        let problems = Template::parse(template).unwrap_err();
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), wanted.len(), "{template}: {texts:?}");
        for (text, part) in texts.iter().zip(wanted) {
            assert!(text.contains(part), "{template}: {text}");
        }
    };
    check("", &["the command is empty"]);
    check("  \n ", &["the command is empty"]);
    check("'' x", &["the command is empty"]);
    check("# a comment", &["the command is empty"]);
    check("agent 'x", &["unbalanced quote"]);
    check("agent \"x", &["unbalanced quote"]);
    check("agent x\\", &["unbalanced quote"]);
    check("agent \0", &["NUL"]);
    check("{task} x", &["must not contain a placeholder: {task}"]);
    check(
        "agent {promptfile} {Task} {model}",
        &[
            "{promptfile} (did you mean {prompt_file}?)",
            "{Task} (did you mean {task}?)",
            "no placeholder {model};",
        ],
    );
    check("agent {model}", &["{{model}} stands for the text itself"]);
}

#[test]
fn what_is_shown_keeps_the_placeholders() {
    let template = Template::parse("agent -f {prompt_file} x={task}").unwrap();
    assert_eq!(template.shown_args(), ["-f", "{prompt_file}", "x={task}"]);
    assert!(template.names(Placeholder::Task));
    assert!(!template.names(Placeholder::Workspace));
}

proptest! {
    #[test]
    fn no_template_makes_it_panic(template in any::<String>(), task in any::<String>()) {
        if let Ok(template) = Template::parse(&template) {
            let _ = template.args(&values(&task, "/w"));
        }
    }

    #[test]
    fn the_number_of_words_never_depends_on_the_values(task in any::<String>(), workspace in any::<String>()) {
        let template = Template::parse("agent {task} -d {workspace} x{task}y").unwrap();
        let args = template.args(&values(&task, &workspace)).unwrap();
        prop_assert_eq!(args.len(), 4);
        prop_assert_eq!(&args[0], &OsString::from(&task));
        prop_assert_eq!(&args[2], &OsString::from(&workspace));
    }
}
