//! Plays scenarios, each so often, and gathers what they measured.

use std::time::Instant;

use crate::{
    error::Error,
    report::Report,
    scenarios::{SCENARIOS, Scenario, Setting},
};

/// The scenarios of those names; all of them without names.
///
/// # Errors
/// [`Error::NoScenario`] for a name that there is not.
pub fn choose(names: &[String]) -> Result<Vec<&'static Scenario>, Error> {
    if names.is_empty() {
        return Ok(SCENARIOS.iter().collect());
    }
    let find = |name: &String| {
        let found = SCENARIOS.iter().find(|scenario| scenario.name == name);
        found.ok_or_else(|| Error::NoScenario {
            name: name.clone(),
            known: SCENARIOS.map(|scenario| scenario.name).join(", "),
        })
    };
    names.iter().map(find).collect()
}

/// Plays each of `chosen` `runs` times, one after the other. `progress` hears of each run.
pub async fn run(
    chosen: &[&'static Scenario],
    setting: &Setting,
    runs: u32,
    mut progress: impl FnMut(&str),
) -> Report {
    let mut report = Report::default();
    for scenario in chosen {
        for run in 0..runs {
            let (began, number) = (Instant::now(), run + 1);
            let setting = Setting {
                run,
                runs,
                ..setting.clone()
            };
            let name = scenario.name;
            let outcome = (scenario.play)(setting).await;
            let seconds = began.elapsed().as_secs_f64();
            match outcome {
                Ok(measures) => {
                    let broken: Vec<_> = measures.iter().filter(|one| !one.holds()).collect();
                    let broken: Vec<_> = broken.iter().map(|one| one.what).collect();
                    let verdict = if broken.is_empty() {
                        "ok".to_owned()
                    } else {
                        broken.join("; ")
                    };
                    progress(&format!(
                        "{name}, run {number} of {runs}, {seconds:.1} s: {verdict}"
                    ));
                    report.add(name, measures);
                }
                Err(error) => {
                    let failure = format!("{name}, run {number}: {}", error.chain());
                    progress(&failure);
                    report.failures.push(failure);
                }
            }
        }
    }
    report
}

#[cfg(test)]
mod tests {
    use super::choose;
    use crate::{error::Error, scenarios::SCENARIOS};

    #[test]
    fn an_unknown_name_is_an_error_that_lists_the_known_ones() {
        assert_eq!(choose(&[]).unwrap().len(), SCENARIOS.len());
        assert_eq!(choose(&["lag".into()]).unwrap()[0].name, "lag");
        let error = choose(&["lga".into()]).unwrap_err();
        assert!(matches!(error, Error::NoScenario { .. }));
        assert!(
            error.to_string().contains("frozen_primary, promotion"),
            "{error}"
        );
    }
}
