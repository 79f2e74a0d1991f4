//! Due dates in words. Dates are ISO 8601 days, which sort as text.

/// How a due date reads, and whether it is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    pub words: String,
    pub is_over: bool,
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// `due` as seen on the day `today`; what is no date is shown as it is.
pub fn due(due: &str, today: &str) -> Due {
    let (Some(then), Some(now)) = (day_number(due), day_number(today)) else {
        return Due {
            words: due.to_owned(),
            is_over: false,
        };
    };
    let words = match then - now {
        -1 => "Yesterday".to_owned(),
        0 => "Today".to_owned(),
        1 => "Tomorrow".to_owned(),
        _ => date_words(due, today),
    };
    Due {
        words,
        is_over: then < now,
    }
}

/// `3 Dec`, with the year when it is another.
fn date_words(date: &str, today: &str) -> String {
    let Some((year, month, day)) = parts(date) else {
        return date.to_owned();
    };
    let name = MONTHS[month as usize - 1];
    match date.get(..4) == today.get(..4) {
        true => format!("{day} {name}"),
        false => format!("{day} {name} {year}"),
    }
}

fn parts(date: &str) -> Option<(i64, i64, i64)> {
    let mut parts = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    ((1..=12).contains(&month) && (1..=31).contains(&day) && (0..=9999).contains(&year))
        .then_some((year, month, day))
}

/// Days since a day long ago: the proleptic Gregorian calendar, years beginning in March.
fn day_number(date: &str) -> Option<i64> {
    let (year, month, day) = parts(date)?;
    let (year, month) = match month > 2 {
        true => (year, month - 3),
        false => (year - 1, month + 9),
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    Some(365 * year + leap_days + (153 * month + 2) / 5 + day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_read_as_people_say_them() {
        for (date, today, words, is_over) in [
            ("2026-11-30", "2026-11-30", "Today", false),
            ("2026-12-01", "2026-11-30", "Tomorrow", false),
            ("2026-11-29", "2026-11-30", "Yesterday", true),
            ("2028-03-01", "2028-02-29", "Tomorrow", false),
            ("2027-01-01", "2026-12-31", "Tomorrow", false),
            ("2026-12-24", "2026-11-30", "24 Dec", false),
            ("2027-02-03", "2026-11-30", "3 Feb 2027", false),
            ("2026-10-05", "2026-11-30", "5 Oct", true),
            ("soon", "2026-11-30", "soon", false),
            ("2026-13-01", "2026-11-30", "2026-13-01", false),
        ] {
            let words = words.to_owned();
            assert_eq!(due(date, today), Due { words, is_over }, "{date}");
        }
    }
}
