//! What a plugin of Nagios writes: `DISK OK - 40% used | '/'=2643MB;5948;5958;0;5968`, more text, more performance data.
//!
//! The convention is that of the Monitoring Plugins' development guidelines, which Icinga, Naemon and others share.

use serde_json::{Map, Value as Json};

/// Values that are kept at most.
const MOST: usize = 200;

/// The output without its performance data: that changes with every check, and would make every message another one.
pub(super) fn text(output: &str) -> String {
    parts(output).0
}

/// The performance data: numbers by label, without their units. What is no number (`U`: not known) is left out.
pub(super) fn performance(output: &str) -> Map<String, Json> {
    let (_, data) = parts(output);
    let (mut values, mut rest) = (Map::new(), data.as_str());
    while values.len() < MOST
        && let Some((label, value, after)) = entry(rest)
    {
        if let Some(number) = number(value) {
            values.insert(label, number);
        }
        rest = after;
    }
    values
}

/// The first line up to its `|`, and the lines after it up to the first `|` in them; and what is behind both.
fn parts(output: &str) -> (String, String) {
    let output = output.trim();
    let (first, rest) = output.split_once('\n').unwrap_or((output, ""));
    let (said, mut data) = first.split_once('|').map_or((first, String::new()), |(said, data)| (said, data.to_owned()));
    let (more, more_data) = rest.split_once('|').unwrap_or((rest, ""));
    data = format!("{data} {more_data}");
    let text = format!("{}\n{}", said.trim_end(), more.trim_end());
    (text.trim_end().to_owned(), data)
}

/// The next `label=value;warn;crit;min;max`: its label, its value, and what is behind it. A label with blanks in it stands
/// in quotes, of which two are one that is meant.
fn entry(data: &str) -> Option<(String, &str, &str)> {
    let mut data = data.trim_start();
    loop {
        let (label, after) = match data.strip_prefix('\'') {
            Some(quoted) => label_in_quotes(quoted)?,
            None => {
                let at = data.find(|c: char| c == '=' || c.is_whitespace())?;
                (data[..at].to_owned(), &data[at..])
            }
        };
        let Some(value) = after.strip_prefix('=') else {
            // A word that is no entry.
            data = after.trim_start();
            continue;
        };
        let end = value.find(char::is_whitespace).unwrap_or(value.len());
        let (value, after) = value.split_at(end);
        return Some((label, value.split(';').next().unwrap_or_default(), after));
    }
}

fn label_in_quotes(quoted: &str) -> Option<(String, &str)> {
    let (mut label, mut rest) = (String::new(), quoted);
    loop {
        let (part, after) = rest.split_once('\'')?;
        label.push_str(part);
        match after.strip_prefix('\'') {
            Some(after) => {
                label.push('\'');
                rest = after;
            }
            None => return Some((label, after)),
        }
    }
}

/// An output that was cut, without its last word: half a number is another one.
pub(super) fn whole(output: &str) -> &str {
    output.rsplit_once(char::is_whitespace).map_or("", |(whole, _)| whole)
}

/// The number that a value begins with; some plugins write a comma in it.
fn number(value: &str) -> Option<Json> {
    let plain = |text: &str| text.find(|c: char| !c.is_ascii_digit() && !"+-.,".contains(c)).unwrap_or(text.len());
    let mut end = plain(value);
    // An exponent, as `1e-05`; what is no number behind the letter is a unit.
    if let Some(power) = value[end..].strip_prefix(['e', 'E']) {
        let digits = power.strip_prefix(['+', '-']).unwrap_or(power);
        let length = digits.bytes().take_while(u8::is_ascii_digit).count();
        if length > 0 {
            end += 1 + (power.len() - digits.len()) + length;
        }
    }
    let digits = value[..end].replace(',', ".");
    match digits.parse::<i64>() {
        Ok(whole) => Some(Json::from(whole)),
        Err(_) => digits.parse::<f64>().ok().filter(|number| number.is_finite()).map(Json::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_value_that_was_cut_is_none() {
        assert_eq!(Json::Object(performance(whole("OK | a=1 b=12"))), json!({ "a": 1 }));
        assert_eq!(performance(whole("a=12")).len(), 0);
    }

    #[test]
    fn a_number_may_have_an_exponent_or_a_unit() {
        assert_eq!(number("1e-05s"), Some(json!(1e-5)));
        assert_eq!(number("2E3"), Some(json!(2000.0)));
        assert_eq!(number("7eggs"), Some(json!(7)));
        assert_eq!(number("e5"), None);
    }

    #[test]
    fn performance_data_are_read_from_the_first_line_and_from_the_end() {
        let output = "DISK OK - free space: / 3326 MB (56%); | /=2643MB;5948;5958;0;5968\n\
                      / 15272 MB (77%);\n/home 69357 MB (27%); | /boot=68MB;88;93;0;98\n'free of /home'=69357.5MB;;; it''s=U 'it''s'=-1,5%";
        assert_eq!(
            Json::Object(performance(output)),
            json!({ "/": 2643, "/boot": 68, "free of /home": 69357.5, "it's": -1.5 })
        );
        assert_eq!(text(output), "DISK OK - free space: / 3326 MB (56%);\n/ 15272 MB (77%);\n/home 69357 MB (27%);");
    }

    #[test]
    fn what_is_no_performance_data_is_none() {
        for output in ["", "OK", "OK |", "OK | a", "OK | a=", "OK | =", "OK | 'a", "OK | a=b=c", "OK | a = 5"] {
            let found = performance(output);
            assert!(found.len() <= 1 && found.values().all(Json::is_number), "{output}: {found:?}");
        }
        assert_eq!(text("OK"), "OK");
        assert_eq!(text("OK | a=1"), "OK");
    }

    proptest! {
        #[test]
        fn no_output_breaks_it(output in "([a-z/é]{0,3}|[=|;' \n]|[0-9.,%-]{0,3}){0,40}") {
            let _ = (text(&output), performance(&output));
        }

        /// What is written comes back.
        #[test]
        fn every_label_comes_back(values in proptest::collection::btree_map("[a-z =|']{1,8}", any::<i32>(), 0..6)) {
            let data: Vec<String> = values.iter().map(|(label, n)| format!("'{}'={n}s;1;2", label.replace('\'', "''"))).collect();
            let found = performance(&format!("OK | {}", data.join(" ")));
            let expected: Map<String, Json> = values.into_iter().map(|(label, n)| (label, Json::from(n))).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
