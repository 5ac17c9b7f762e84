//! The demo's agent: it really edits files and really takes its time, but thinks of nothing.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use super::cookbook::TASKS;
use crate::error::CommandError;
use crate::exit_code;

/// The built-in agent of the demo.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_: &Args) -> Result<u8, CommandError> {
    let variable = |name: &str| {
        std::env::var(name).map_err(|_| {
            CommandError::usage(format!("{name} is not set"))
                .hint("mesh starts this agent, nobody else")
        })
    };
    let name = variable("MESH_TASK")?;
    let attempt = variable("MESH_ATTEMPT")?;
    let first = attempt.ends_with("#1");
    let Some(task) = TASKS.iter().find(|task| task.id == name) else {
        return Err(CommandError::usage(format!(
            "{name} is no task of the demo"
        )));
    };
    say(&format!("working on {name}: {}", task.title));
    // The work of a model, as far as a clock can tell.
    std::thread::sleep(Duration::from_millis(task.tenths * 100));
    let changed = edit(Path::new("."), &name, first)?;
    let changed = if changed.is_empty() {
        "NO_DIFF:the list is sorted already".to_owned()
    } else {
        changed.join(", ")
    };
    say(&format!(
        "\nPR: none\nVerify: {}\nChanged: {changed}\nBlockers: none",
        task.proof
    ));
    Ok(exit_code::OK)
}

fn say(text: &str) {
    // Whoever reads has gone; the exit code still tells.
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Does the task and says which files it changed.
fn edit(root: &Path, task: &str, first_attempt: bool) -> Result<Vec<&'static str>, CommandError> {
    match task {
        "pantry" => write(
            root,
            "pantry.txt",
            "beans\nflour\nlettuce\noil\nsalt\nwater\nyeast\n",
        ),
        "bread" => write(
            root,
            "recipes/bread.md",
            "# Bread\n\nFlour, water, salt, yeast. Knead, wait, bake.\n",
        ),
        "soup" => write(
            root,
            "recipes/soup.md",
            "# Soup\n\nBeans, water, salt. Soak, cook, stir.\n",
        ),
        "salad" => write(
            root,
            "recipes/salad.md",
            "# Salad\n\nLettuce, oil, salt. Wash, cut, toss.\n",
        ),
        "sorted" => Ok(Vec::new()),
        "index-bread" => replace(root, "INDEX.md", "Bread: to do", "Bread: recipes/bread.md"),
        "index-soup" => replace(root, "INDEX.md", "Soup: to do", "Soup: recipes/soup.md"),
        "index-salad" => replace(root, "INDEX.md", "Salad: to do", "Salad: recipes/salad.md"),
        "price-bread" => replace(root, "prices.txt", "Bread: to do", "Bread: 3.20"),
        "price-soup" => replace(root, "prices.txt", "Soup: to do", "Soup: 4.80"),
        // The first attempt forgets a dish; the proof notices, and the second is told.
        "menu" if first_attempt => write(root, "MENU.md", "# Menu\n\n- Bread\n- Salad\n"),
        "menu" => write(root, "MENU.md", "# Menu\n\n- Bread\n- Soup\n- Salad\n"),
        _ => {
            let pantry = fs_err::read_to_string(root.join("pantry.txt"))?;
            let list: String = pantry.lines().map(|item| format!("buy {item}\n")).collect();
            fs_err::write(root.join("shopping.txt"), list)?;
            Ok(vec!["shopping.txt"])
        }
    }
}

fn write(root: &Path, name: &'static str, text: &str) -> Result<Vec<&'static str>, CommandError> {
    let path = root.join(name);
    if let Some(folder) = path.parent() {
        fs_err::create_dir_all(folder)?;
    }
    fs_err::write(path, text)?;
    Ok(vec![name])
}

fn replace(
    root: &Path,
    name: &'static str,
    from: &str,
    to: &str,
) -> Result<Vec<&'static str>, CommandError> {
    let text = fs_err::read_to_string(root.join(name))?;
    fs_err::write(root.join(name), text.replace(from, to))?;
    Ok(vec![name])
}
