//! Working times on real calls: segments across midnight, the day that a night belongs to, and
//! holidays. The clock stays as it is: the time zones are chosen in which it is near midnight, or
//! noon, just now. A test may take its time over the hour: nothing here changes within two.

use hotline_tests::caller::{Caller, Way};
use hotline_tests::{Centre, Net, Server, Setup, demo};
use std::time::SystemTime;

const DAY_S: i64 = 86_400;
const WEEKDAYS: [&str; 7] = ["thu", "fri", "sat", "sun", "mon", "tue", "wed"];
const ALL: &str = "workdays = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"]";
const NIGHT: &str = "workday = [[\"22:00\", \"02:00\"]]";

/// A place where it is some hour now.
struct Place {
    /// Its zone, as a line of TOML.
    zone: String,
    /// Days since 1970 there.
    day: i64,
}

impl Place {
    fn where_it_is(hour: i64) -> Place {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        let now = i64::try_from(now.as_secs()).expect("a time");
        let ahead = (hour - now / 3_600).rem_euclid(24);
        let ahead = if ahead > 14 { ahead - 24 } else { ahead };
        // The names of these zones count westward.
        let name = match ahead {
            0 => "Etc/GMT".to_string(),
            east @ 1.. => format!("Etc/GMT-{east}"),
            west => format!("Etc/GMT+{}", -west),
        };
        Place { zone: format!("time_zone = \"{name}\""), day: (now + ahead * 3_600) / DAY_S }
    }

    /// `workdays` with one day only, so many days from today.
    fn only(&self, days: i64) -> String {
        let weekday = WEEKDAYS[usize::try_from((self.day + days) % 7).expect("a weekday")];
        format!("workdays = [\"{weekday}\"]")
    }

    /// `holidays` with one day, so many days from today.
    fn holiday(&self, days: i64) -> String {
        let (year, month, day) = date(self.day + days);
        format!("holidays = [\"{year}-{month:02}-{day:02}\"]")
    }
}

/// The date of a day since 1970: years are counted from March, so that leap days come last.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// Working times, and whether each is open now.
fn working_times() -> Vec<(&'static str, String, bool)> {
    let (before, after) = (Place::where_it_is(23), Place::where_it_is(0));
    let noon = Place::where_it_is(12);
    let always = "workday = [[\"00:00\", \"24:00\"]]";
    let day = "workday = [[\"02:00\", \"22:00\"]]";
    let of = |place: &Place, lines: &[&str]| format!("{}\n{}", place.zone, lines.join("\n"));
    vec![
        ("before midnight", of(&before, &[ALL, NIGHT]), true),
        ("after midnight", of(&after, &[ALL, NIGHT]), true),
        ("the night of yesterday", of(&after, &[&after.only(-1), NIGHT]), true),
        ("the night of today is yet to come", of(&after, &[&after.only(0), NIGHT]), false),
        ("a day ends in the evening", of(&before, &[ALL, day]), false),
        ("a holiday", of(&noon, &[ALL, always, &noon.holiday(0)]), false),
        ("the day before a holiday", of(&noon, &[ALL, always, &noon.holiday(1)]), true),
        ("the night before a holiday", of(&after, &[ALL, NIGHT, &after.holiday(0)]), true),
        ("the night of a holiday", of(&after, &[ALL, NIGHT, &after.holiday(-1)]), false),
    ]
}

/// Says by its working time whether it is open.
fn flow(number: usize) -> String {
    format!(
        "start = \"hours\"\n[node.hours]\nkind = \"working_time\"\n\
         working_time = \"times_{number}\"\nopen = \"open\"\nclosed = \"shut\"\n\
         [node.open]\nkind = \"end\"\nsay = [\"welcome\"]\n\
         [node.shut]\nkind = \"end\"\nsay = [\"closed\"]\ncause = 17\n"
    )
}

fn centre(net: &Net, times: &[(&str, String, bool)]) -> Centre {
    let centre = demo::with_flows(Centre::usual(net));
    let centre = centre.setting("languages = [\"en\", \"zh\", \"es\"]");
    let centre = centre.object("working_time", &format!("name = \"office\"\n{ALL}"));
    let centre = centre.queue("sales", "").agent_by_api("1003", "sales", "");
    let numbered = times.iter().enumerate();
    let centre = numbered.fold(centre, |centre, (n, (_, lines, _))| {
        let centre = centre.object("working_time", &format!("name = \"times_{n}\"\n{lines}"));
        centre.flow(&format!("hours_{n}"), &format!("2{n}"), &flow(n))
    });
    // The same by the route: out of hours it leads elsewhere, or says so itself.
    let to = "skill_queue = \"support\"\nworking_time = \"times_3\"";
    let elsewhere = format!("{to}\nout_of_hours = {{ flow = \"out_of_hours\" }}");
    centre.route_to("12345", "3", &elsewhere).route_to("12345", "4", to)
}

#[test]
fn nights_belong_to_the_day_they_begin_on_and_holidays_are_closed() {
    let times = working_times();
    let server = Server::start(Setup::with(|net| vec![centre(net, &times)]));
    std::thread::scope(|scope| {
        let server = &server;
        for (n, (what, lines, open)) in times.iter().enumerate() {
            scope.spawn(move || {
                let number = u8::try_from(n).expect("few");
                let dialled = format!("123452{n}");
                let mut caller = Caller::dials(server, number, &dialled, Way::Events);
                let (prompt, cause) = if *open { ("welcome", 16) } else { ("closed", 17) };
                println!("{what}: {lines}");
                caller.hears(prompt);
                caller.ends(server, cause);
            });
        }
        scope.spawn(move || {
            let mut caller = Caller::dials(server, 14, "123453", Way::Events);
            caller.hears("closed");
            caller.hears("message_after_tone");
            caller.hangs_up(server);
        });
        scope.spawn(move || {
            let mut caller = Caller::dials(server, 15, "123454", Way::Events);
            caller.hears("closed");
            caller.ends(server, 20);
        });
    });
}
