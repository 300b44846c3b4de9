//! The page of log messages as data: `docs/log-messages.md`, its tables row by row. Start with [`documented`].

/// One log message as the page tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Documented {
    pub level: String,
    pub sentence: String,
    pub meaning: String,
    pub what_to_do: String,
}

/// Every row of the page's tables, in its order.
pub fn documented(page: &str) -> Vec<Documented> {
    let rows = page.lines().filter_map(|line| {
        let cells: Vec<_> = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").map(str::to_owned).collect();
        let [level, sentence, meaning, what_to_do] = <[String; 4]>::try_from(cells).ok()?;
        Some(Documented { level, sentence, meaning, what_to_do })
    });
    rows.filter(|row| row.level != "level").collect()
}
