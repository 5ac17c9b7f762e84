//! `mesh learnings`: what was learned in this repository.

use std::path::Path;

use mesh_core::text::one_line;
use mesh_plan::learnings::{self, Learning, Query};
use serde::Serialize;

use crate::commands::run_lookup;
use crate::error::CommandError;
use crate::exit_code;
use crate::ui::shell::Shell;

/// List or search what was learned here, the newest first.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only those with one of these words; those with most of them come first.
    #[arg(value_name = "WORD")]
    pub words: Vec<String>,
    /// Only those about this file, folder or glob.
    #[arg(long, value_name = "PATH")]
    pub path: Vec<String>,
    /// Only those with this tag or status, such as `run` or `do_more`.
    #[arg(long, value_name = "TAG")]
    pub tag: Option<String>,
    /// At most so many.
    #[arg(short = 'n', long = "most", value_name = "N", default_value_t = 20)]
    pub most: usize,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Found<'a> {
    schema: u32,
    file: &'a Path,
    total: usize,
    learnings: &'a [&'a Learning],
}

pub(crate) fn run(args: &Args, folder: &Path, shell: &mut Shell) -> Result<u8, CommandError> {
    let mesh_dir = run_lookup::find_mesh_dir(folder)?;
    let root = mesh_dir.path().parent().unwrap_or(folder);
    let file = mesh_engine::learnings_file(root);
    let (records, problems) = learnings::read(&mesh_engine::read_learnings(&file)?);
    for (line, problem) in problems {
        shell.note(format!(
            "note: {}:{line}: this is no learning: {problem}",
            file.display()
        ));
    }
    let query = Query {
        words: args.words.clone(),
        paths: args.path.clone(),
        tag: args.tag.clone(),
    };
    let found = learnings::search(&records, &query);
    let shown = &found[..found.len().min(args.most)];
    if args.json {
        shell.object(&Found {
            schema: 1,
            file: &file,
            total: found.len(),
            learnings: shown,
        })?;
        return Ok(exit_code::OK);
    }
    for learning in shown {
        lines(learning)
            .into_iter()
            .for_each(|line| shell.line(line));
    }
    match (found.len(), records.is_empty()) {
        (0, true) => shell.line(format!("nothing is learned yet in {}", file.display())),
        (0, false) => shell.line(format!("none of {} is about that", records.len())),
        (all, _) if all > shown.len() => {
            shell.line(format!(
                "and {} more: -n {all} shows all",
                all - shown.len()
            ));
        }
        _ => {}
    }
    Ok(exit_code::OK)
}

fn lines(learning: &Learning) -> Vec<String> {
    let text = |text: &str| one_line(text);
    let mut lines = vec![
        text(&learning.learning),
        format!("    next time: {}", text(&learning.application)),
    ];
    let evidence = learning.evidence.iter();
    lines.extend(evidence.map(|seen| format!("    seen: {}", text(seen))));
    let paths = learning.context.iter().flat_map(|context| &context.paths);
    let paths: Vec<String> = paths.map(|path| text(path)).collect();
    if !paths.is_empty() {
        lines.push(format!("    files: {}", paths.join(", ")));
    }
    let tags: Vec<&str> = std::iter::once(learning.status.as_str())
        .chain(learning.tags.iter().map(String::as_str))
        .collect();
    lines.push(format!(
        "    {}, {}, {}",
        text(&learning.id),
        text(&learning.captured_at),
        text(&tags.join(", "))
    ));
    lines
}
