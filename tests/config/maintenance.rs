//! Maintenance that the configuration announces.

use super::read;

/// The maintenance of a file with a few endpoints.
fn maintenance(keys: &str) -> Result<Vec<healthcheck_dashboard::calendar::Planned>, String> {
    let text = format!(
        "[[checks.endpoints]]\nname = \"web\"\ngroup = \"Front end\"\nurl = \"http://a/\"\n\
         [[checks.endpoints]]\nname = \"db-main\"\nurl = \"tcp://a:1\"\n\
         [[maintenance]]\n{keys}\n"
    );
    read(&text).map(|config| config.maintenance).map_err(|error| error.to_string())
}

#[test]
fn maintenance_happens_once_or_comes_again() {
    use healthcheck_dashboard::domain::{time::UnixMs, window::Window};
    let windows = |keys: &str, from: &str, to: &str| {
        let planned = maintenance(keys).unwrap().remove(0);
        let asked = Window::new(UnixMs::parse(from).unwrap(), UnixMs::parse(to).unwrap()).unwrap();
        let said = |w: &Window| format!("{} {}", w.from().to_string().replace(":00.000", ""), w.length_ms() / 60_000);
        planned.rule.windows(asked).iter().map(said).collect::<Vec<_>>()
    };
    let (year, next) = ("2026-01-01", "2027-01-01");
    for (keys, expected) in [
        ("from = \"2026-11-20T03:00:00Z\"\nto = \"2026-11-20T05:00:00+01:00\"", ["2026-11-20T03:00Z 60"].as_slice()),
        ("from = 2026-11-20T03:00:00Z\nto = 2026-11-20T04:30:00Z", &["2026-11-20T03:00Z 90"]),
        ("from = \"2026-07-20T03:00\"\nto = \"2026-07-20 04:00\"\nzone = \"Europe/Berlin\"", &["2026-07-20T01:00Z 60"]),
        ("from = 2026-07-20\nto = 2026-07-21\nzone = \"America/New_York\"", &["2026-07-20T04:00Z 1440"]),
        // Clocks never show half past two: it begins when they jump to three.
        ("from = \"2026-03-29T02:30\"\nto = \"2026-03-29T04:00\"\nzone = \"Europe/Berlin\"", &["2026-03-29T01:00Z 60"]),
    ] {
        assert_eq!(windows(keys, year, next), expected, "{keys}");
    }
    let sundays = "cron = \"0 2 * * SUN\"\nduration = \"1h 30m\"\nzone = \"Europe/Berlin\"";
    assert_eq!(
        windows(sundays, "2026-03-20", "2026-04-06"),
        ["2026-03-22T01:00Z 90", "2026-03-29T01:00Z 90", "2026-04-05T00:00Z 90"]
    );
    let all = maintenance(sundays).unwrap().remove(0);
    assert_eq!((all.services, all.reason.as_str()), (None, "planned maintenance"));
    let some = maintenance(&format!("{sundays}\nservices = \"db-main\"\ngroups = [\"Front end\"]\nreason = \"disks\""));
    let some = some.unwrap().remove(0);
    assert_eq!((some.services, some.reason.as_str()), (Some(vec!["web".into(), "db-main".into()]), "disks"));
    assert!(read("[checks]\n").unwrap().maintenance.is_empty());
}

#[test]
fn every_mistake_about_maintenance_is_shown_where_it_stands() {
    let night = "cron = \"0 2 * * *\"\nzone = \"Europe/Berlin\"\nduration = \"1h\"\n";
    for (keys, said) in [
        ("reason = \"x\"", vec!["never happens", "no `from` and no `cron`"]),
        ("from = \"2026-11-20T03:00:00Z\"", vec!["`to` is missing"]),
        ("to = \"2026-11-20T03:00:00Z\"", vec!["`from` is missing"]),
        (
            "from = \"2026-11-20T03:00:00Z\"\nto = \"2026-11-20T02:00:00Z\"",
            vec!["ends before it begins", "it is 2026-11-20T02:00:00.000Z", "it begins at", "config.toml:10:6"],
        ),
        ("from = \"2026-11-20T03:00\"\nto = \"2026-11-20T04:00:00Z\"", vec!["does not say in which time zone"]),
        (
            "from = \"soon\"\nto = 7",
            vec!["`soon` is no time", "`to` has to be a date and time", "this is a whole number"],
        ),
        (
            "from = \"2026-11-20T03:00\"\nto = \"2026-11-20T04:00\"\nzone = \"Europe/Berlni\"",
            vec!["no time zone named `Europe/Berlni`", "did you mean `Europe/Berlin`?"],
        ),
        (
            "from = \"2026-11-20T03:00:00Z\"\nto = \"2029-11-20T03:00:00Z\"",
            vec!["longer than a year", "enabled = false"],
        ),
        ("cron = \"0 2 * * *\"", vec!["`duration` is missing", "`zone` is missing"]),
        (
            "cron = \"0 25 * * *\"\nduration = \"1h\"\nzone = \"UTC\"",
            vec!["`0 25 * * *` is no cron expression", "minute, hour, day of the month"],
        ),
        ("cron = \"0 0 31 2 *\"\nduration = \"1h\"\nzone = \"UTC\"", vec!["never happens", "there is no such day"]),
        (
            "cron = \"0 * * * *\"\nduration = \"60m\"\nzone = \"UTC\"",
            vec!["would never end", "shorter than 1h", "it comes again after 1h"],
        ),
        ("cron = \"0 2 * * *\"\nduration = \"1 fortnight\"\nzone = \"UTC\"", vec!["is no duration", "1h 30m"]),
        ("cron = \"0 2 * * *\"\nduration = \"40d\"\nzone = \"UTC\"", vec!["`duration` is out of range", "31d"]),
        (&format!("{night}from = \"2026-11-20T03:00:00Z\""), vec!["not both", "this happens once", "this comes again"]),
        ("from = \"2026-11-20T03:00:00Z\"\nduration = \"1h\"", vec!["`duration` belongs to `cron`"]),
        (&format!("{night}services = [\"wbe\"]"), vec!["no service named `wbe`", "did you mean `web`?"]),
        (&format!("{night}services = [\"db_main\"]"), vec!["did you mean `db-main`?"]),
        (&format!("{night}groups = [\"Front-end\"]"), vec!["no group named `Front-end`", "did you mean `Front end`?"]),
        (&format!("{night}services = []"), vec!["`services` is empty", "of all services"]),
        (&format!("{night}service = \"web\""), vec!["unknown key `service`", "did you mean `services`?"]),
        (&format!("{night}reason = \"\""), vec!["`reason` is empty"]),
    ] {
        let report = maintenance(keys).unwrap_err();
        for part in said {
            assert!(report.contains(part), "{part} is not in\n{report}");
        }
        assert!(report.contains("config.toml:") && report.contains('^'), "{report}");
    }
    // A name that belongs to an endpoint with another mistake in it is a known one.
    let report = read(
        "[[checks.endpoints]]\nname = \"web\"\n[[maintenance]]\nfrom = 2026-01-01T00:00:00Z\nto = 2026-01-02T00:00:00Z\nservices = [\"web\"]\n",
    );
    let report = report.unwrap_err();
    assert_eq!(report.count(), 1, "{report}");
    assert!(read("maintenance = 7\n").unwrap_err().to_string().contains("`[[maintenance]]`, in two brackets"));
}
