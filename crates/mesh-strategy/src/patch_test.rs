use super::*;

const GOOD: &str = "\
diff --git a/src/a.rs b/src/a.rs
index 1111111..2222222 100644
--- a/src/a.rs
+++ b/src/a.rs
@@ -1,3 +1,4 @@ fn a() {
 one
-two
+zwei
+drei

@@ -10 +11 @@
-ten
\\ No newline at end of file
+zehn
";

fn read(diff: &str) -> Result<Patch, String> {
    Patch::read(diff, &[]).map_err(|problem| problem.describe())
}

fn wrong(diff: &str) -> String {
    read(diff).expect_err(diff)
}

/// A diff of one file with one hunk.
fn of(path: &str) -> String {
    format!("--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-a\n+b\n")
}

#[test]
fn a_diff_is_taken_as_it_is() {
    let patch = read(GOOD).unwrap();
    assert_eq!(patch.text, GOOD);
    assert_eq!(patch.paths, ["src/a.rs"]);
}

#[test]
fn files_that_come_go_and_move_are_read() {
    let diff = "\
diff --git a/new.txt b/new.txt
new file mode 100644
--- /dev/null
+++ b/new.txt
@@ -0,0 +1,2 @@
+a
+b
diff --git a/old.txt b/old.txt
deleted file mode 100644
--- a/old.txt
+++ /dev/null
@@ -1 +0,0 @@
-a
diff --git a/from b/to
similarity index 100%
rename from from
rename to to
diff --git a/empty b/empty
new file mode 100644
";
    let patch = read(diff).unwrap();
    assert_eq!(patch.paths, ["empty", "from", "new.txt", "old.txt", "to"]);
    assert_eq!(patch.text, diff);
}

#[test]
fn names_without_a_and_b_get_them() {
    let patch = read("--- src/a.rs\t2026-01-01\n+++ src/a.rs\n@@ -1 +1 @@\n-a\n+b\n").unwrap();
    assert_eq!(patch.paths, ["src/a.rs"]);
    assert!(
        patch.text.starts_with("--- a/src/a.rs\n+++ b/src/a.rs\n"),
        "{}",
        patch.text
    );
}

#[test]
fn a_line_end_of_windows_stays_in_the_files_line_unless_the_whole_text_has_it() {
    let mixed = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\r\n+b\r\n";
    assert_eq!(read(mixed).unwrap().text, mixed);
    let whole = of("x").replace('\n', "\r\n");
    assert_eq!(read(&whole).unwrap().text, of("x"));
}

#[test]
fn what_no_range_covers_is_named() {
    for (diff, words) in [
        (
            GOOD.replace("-1,3 +1,4", "-1,3 +1,5"),
            "src/a.rs, hunk 1: its range says 3 old and 5 new lines, it has 3 and 4",
        ),
        (
            of("x").replace("-1 +1", "-1,0 +1"),
            "x, hunk 1: its range says 0 old and 1 new lines, it has 1 and 1",
        ),
        (
            GOOD.replace("-10 +11", "-10,2 +11,2"),
            "src/a.rs, hunk 2: its range says 2 old",
        ),
        (
            GOOD.replace("@@ -10 +11 @@", "@@"),
            "src/a.rs, hunk 2: `@@` has no ranges",
        ),
        (
            GOOD.replace("@@ -10 +11 @@", "@@ -ten +11 @@"),
            "has no ranges",
        ),
        (
            "--- a/x\n+++ b/x\n".to_owned(),
            "x: no hunk follows its header",
        ),
        (
            "--- a/x\n+++ b/x\n@@ -1 +1 @@\n a\n".to_owned(),
            "it changes nothing",
        ),
        (
            "@@ -1 +1 @@\n-a\n+b\n".to_owned(),
            "there is no file header",
        ),
        (
            "diff --git a/x b/x\n@@ -1 +1 @@\n-a\n+b\n".to_owned(),
            "before its hunks",
        ),
        (
            format!("{}and so on\n", of("x")),
            "line 6 belongs to no hunk: `and so on`",
        ),
        (
            "diff --git a/x b/x\nGIT binary patch\nliteral 0\n".to_owned(),
            "a binary patch",
        ),
        (
            of("x").replace("a/x", "\"a/x\""),
            "the file's name cannot be read",
        ),
        (String::new(), "there is no file header"),
    ] {
        let said = wrong(&diff);
        assert!(said.contains(words), "{diff}\n{said}");
    }
}

#[test]
fn a_blank_line_between_hunks_belongs_to_none_when_the_ranges_say_so() {
    let patch = read(&GOOD.replace("-1,3 +1,4", "-1,2 +1,3")).unwrap();
    assert!(patch.text.contains("+drei\n@@ -10"), "{}", patch.text);
}

#[test]
fn no_path_leaves_the_repository_or_touches_what_is_not_the_tasks() {
    for path in [
        "../x",
        "a/../../x",
        "/etc/passwd",
        "a//b",
        "./x",
        ".git/config",
        "sub/.GIT/hooks/x",
        ".mesh/config.toml",
        ".jj/repo",
    ] {
        let said = wrong(&of(path));
        assert!(
            said.contains("is no path inside") || said.contains("is not the task's"),
            "{path}: {said}"
        );
    }
    for path in [".gitignore", "src/.mesh.rs", "a b/c d"] {
        assert_eq!(read(&of(path)).unwrap().paths, [path]);
    }
    let rename = "diff --git a/x b/.git/x\nrename from x\nrename to .git/x\n";
    assert!(wrong(rename).contains(".git/x"));
}

#[test]
fn the_scope_is_paths_and_globs() {
    let scope = |patterns: &[&str]| {
        patterns
            .iter()
            .map(|text| (*text).to_owned())
            .collect::<Vec<_>>()
    };
    let read = |path: &str, patterns: &[&str]| Patch::read(&of(path), &scope(patterns));
    for (path, patterns) in [
        ("src/config/a.rs", &["src/config/**"][..]),
        ("src/config/a.rs", &["tests", "src/"]),
        ("src/a.rs", &[]),
    ] {
        assert!(read(path, patterns).is_ok(), "{path} {patterns:?}");
    }
    let outside = read("src/b.rs", &["src/a.rs", "tests/**"]).unwrap_err();
    assert_eq!(
        outside,
        PatchProblem::OutOfScope(vec!["src/b.rs".to_owned()])
    );
    assert_eq!(
        outside.describe(),
        "the patch changes what is outside the task's scope: src/b.rs"
    );
}
