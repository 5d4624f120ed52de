//! The table.

/// Whether missing a bar fails the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// A ratio to a reference of the same run, or a size: the same on every machine.
    Binding,
    /// A time or an amount that depends on the machine.
    Reported,
}

/// All figures of a run.
#[derive(Debug, Default)]
pub struct Report {
    has_missed: bool,
}

impl Report {
    /// Adds a line that says whether `figure` is at most `bar`.
    pub fn at_most(&mut self, what: &str, figure: f64, unit: &str, bar: f64, beside: &str, weight: Weight) {
        self.line(
            what,
            figure,
            unit,
            &format!("<= {bar}"),
            figure <= bar,
            beside,
            weight,
        );
    }

    /// Adds a line that says whether `figure` is at least `bar`.
    pub fn at_least(&mut self, what: &str, figure: f64, unit: &str, bar: f64, beside: &str, weight: Weight) {
        self.line(
            what,
            figure,
            unit,
            &format!(">= {bar}"),
            figure >= bar,
            beside,
            weight,
        );
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the columns of a table, called from the two functions above only"
    )]
    fn line(
        &mut self,
        what: &str,
        figure: f64,
        unit: &str,
        bar: &str,
        is_met: bool,
        beside: &str,
        weight: Weight,
    ) {
        let verdict = match (is_met, weight) {
            (true, _) => "met",
            (false, Weight::Binding) => "MISSED",
            (false, Weight::Reported) => "over",
        };
        self.has_missed |= !is_met && weight == Weight::Binding;
        let figure = format!("{figure:.2} {unit}");
        crate::say(&format!(
            "{what:<44} {figure:>16}   {:<14} {verdict:<7} {beside}",
            format!("{bar} {unit}")
        ));
    }

    /// Says what could not be measured here, and why.
    pub fn absent(&mut self, what: &str, error: &anyhow::Error) {
        self.has_missed = true;
        crate::say(&format!("{what:<44} not measured: {error:#}"));
    }

    /// Whether a binding bar was missed.
    pub fn has_missed(&self) -> bool {
        self.has_missed
    }
}

/// The middle of some figures.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
