//! What a person sees while waiting: one line on a terminal that changes in place, otherwise a
//! line now and then.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use landfall_api::{MoveView, PauseClock};

use crate::out::Out;
use crate::show::{layout, replica, standing, time, waiting};

/// Without a terminal a wait is mentioned this often.
const NOW_AND_THEN: Duration = Duration::from_secs(30);

/// The line of the current wait.
pub(crate) struct Progress {
    out: Out,
    bar: Option<ProgressBar>,
    said: Option<(String, Instant)>,
}

impl Progress {
    pub(crate) fn new(out: Out) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{spinner} {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self { out, bar, said: None }
    }

    /// What is going on.
    pub(crate) fn show(&mut self, view: &MoveView) {
        let line = line(view);
        if let Some(bar) = &self.bar {
            bar.set_message(layout::cut(&line, self.out.width().saturating_sub(3)));
            return;
        }
        let Some(waited) = &view.waited else { return };
        let due = match &self.said {
            Some((why, at)) => *why != waited.why || at.elapsed() >= NOW_AND_THEN,
            None => true,
        };
        if due {
            self.out.say(&line);
            self.said = Some((waited.why.clone(), Instant::now()));
        }
    }

    /// A line that stays, above the one that changes.
    pub(crate) fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.out.say(text)),
            None => self.out.say(text),
        }
    }

    /// Takes the changing line away.
    pub(crate) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// What is awaited, the last reading, how long already, how long at most, and the pause clock.
pub(crate) fn line(view: &MoveView) -> String {
    let mut parts = Vec::new();
    if let Some(PauseClock { since, until: None, budget_ms }) = &view.pause {
        let spent = time::span(time::between(*since, view.now));
        let budget = time::span(Duration::from_millis(*budget_ms));
        parts.push(format!("PAUSE {spent} of {budget}"));
        parts.extend(waiting::in_all(&view.waiting, view.now));
    }
    match &view.waited {
        Some(waited) => {
            parts.push(format!("waiting for {}", waited.why));
            if !waited.reading.is_empty() {
                parts.push(waited.reading.clone());
            }
            let since = time::span(time::between(waited.since, view.now));
            parts.push(match waited.deadline {
                Some(deadline) => {
                    let all = time::span(time::nearest(time::between(waited.since, deadline)));
                    format!("{since} of {all} at most")
                }
                None => since,
            });
        }
        None if view.title.is_empty() => parts.push(standing::state(&view.status)),
        None => parts.push(view.title.clone()),
    }
    parts.extend(replica::line(view));
    parts.join(" · ")
}

#[cfg(test)]
mod tests {
    use landfall_api::Waited;
    use landfall_api::core::status::Run;

    use super::*;
    use crate::show::sample;

    #[test]
    fn a_wait_says_for_what_how_far_how_long_and_how_long_at_most() {
        let waited = Waited {
            why: "the replica to be available".to_owned(),
            reading: "cluster available, instance creating".to_owned(),
            since: sample::at(5),
            deadline: Some(sample::at(7_205)),
        };
        let view = MoveView { waited: Some(waited), ..sample::view(Run::Running) };
        assert_eq!(
            line(&view),
            "waiting for the replica to be available · cluster available, instance creating · \
             1 h 00 m of 2 h 00 m at most"
        );
    }

    #[test]
    fn in_the_pause_its_clock_comes_first() {
        let text = line(&sample::in_the_pause());
        assert!(text.starts_with("PAUSE 4 s of 5 m 00 s · "), "{text}");
    }
}
