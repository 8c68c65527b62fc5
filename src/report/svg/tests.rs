//! Charts must hold whatever numbers and names they get.

use super::super::sample::HOSTILE;
use super::*;
use proptest::prelude::*;

/// Checks that tags nest, attributes are quoted and no number is broken.
fn check(svg: &str) {
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    let mut open: Vec<&str> = Vec::new();
    let mut pieces = svg.split('<');
    assert_eq!(pieces.next(), Some(""));
    for piece in pieces {
        let (tag, text) = piece.split_once('>').expect("a tag ends");
        assert!(
            !text.contains('>') && text.matches('&').count() <= text.matches(';').count(),
            "{piece}"
        );
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') {
            open.push(tag.split(' ').next().unwrap());
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

fn bars(kind: Kind, bars: Vec<Vec<f64>>) -> Chart {
    let bar = |values: Vec<f64>| Bar {
        label: HOSTILE.to_string(),
        values,
    };
    Chart::Bars(Bars {
        title: HOSTILE.to_string(),
        kind,
        parts: vec![HOSTILE.to_string(), "b".into()],
        bars: bars.into_iter().map(bar).collect(),
    })
}

fn lines(kind: Kind, log: (bool, bool), series: Vec<Vec<(f64, f64)>>) -> Chart {
    let axis = |log| Axis {
        label: HOSTILE.to_string(),
        kind,
        log,
    };
    let series = series.into_iter().map(|points| (HOSTILE.to_string(), points)).collect();
    Chart::Lines(Lines {
        title: HOSTILE.to_string(),
        x: axis(log.0),
        y: axis(log.1),
        series,
        fill: false,
    })
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        any::<u64>().prop_map(f64::from_bits),
        -1e6..1e6f64,
        proptest::sample::select(vec![
            0.0,
            -0.0,
            1.0,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::MAX,
            f64::MIN,
            f64::MIN_POSITIVE,
            5e-324
        ]),
    ]
}

fn kind() -> impl Strategy<Value = Kind> {
    proptest::sample::select(vec![
        Kind::Duration,
        Kind::Bytes,
        Kind::Si("tokens"),
        Kind::Energy,
        Kind::Carbon,
        Kind::Percent,
        Kind::Plain(2),
        Kind::Usd,
    ])
}

proptest! {
    #[test]
    fn bars_hold_any_numbers(kind in kind(), values in prop::collection::vec(prop::collection::vec(number(), 0..4), 0..5)) {
        let chart = bars(kind, values);
        check(&render(&chart));
        prop_assert_eq!(render(&chart), render(&chart.clone()));
        let _ = chart.table();
    }

    #[test]
    fn lines_hold_any_numbers(
        kind in kind(),
        log in any::<(bool, bool)>(),
        series in prop::collection::vec(prop::collection::vec((number(), number()), 0..6), 0..4),
    ) {
        let chart = lines(kind, log, series);
        check(&render(&chart));
        let _ = chart.table();
    }
}

fn tracks(end_s: f64, marks: Vec<(f64, f64, usize, bool)>) -> Tracks {
    let mark = |(start_s, end_s, work, critical)| Mark {
        start_s,
        end_s,
        work,
        critical,
    };
    let work = |name, letter| Work { name, letter };
    let track = |minor| Row::Track {
        label: HOSTILE.to_string(),
        minor,
        marks: marks.iter().copied().map(mark).collect(),
    };
    Tracks {
        title: HOSTILE.to_string(),
        end_s,
        works: vec![work("forward", 'F'), work("backward", 'B')],
        rows: vec![track(false), Row::LeftOut(HOSTILE.to_string()), track(true)],
    }
}

proptest! {
    #[test]
    fn tracks_hold_any_numbers(
        end_s in number(),
        marks in prop::collection::vec((number(), number(), 0..3usize, any::<bool>()), 0..6),
    ) {
        let chart = Chart::Tracks(tracks(end_s, marks));
        check(&render(&chart));
        let _ = chart.table();
    }
}

#[test]
fn many_narrow_bars_become_columns() {
    let bar = |i: u32| (f64::from(i), f64::from(i) + 0.9, (i % 2) as usize, i.is_multiple_of(7));
    let svg = render(&Chart::Tracks(tracks(20_000.0, (0..20_000).map(bar).collect())));
    assert!(svg.len() < 60_000 && svg.contains("what takes most of it"), "{}", svg.len());
    let few = render(&Chart::Tracks(tracks(5.0, (0..5).map(bar).collect())));
    assert!(few.contains("critical path") && !few.contains("what takes most of it"));
}

#[test]
fn charts_without_data_say_so() {
    for chart in [
        bars(Kind::Usd, vec![]),
        bars(Kind::Usd, vec![vec![f64::NAN]]),
        lines(Kind::Usd, (true, true), vec![vec![(-1.0, 0.0)]]),
    ] {
        assert!(render(&chart).contains("no data"));
    }
}

#[test]
fn single_points_and_zeros_are_drawn() {
    let point = render(&lines(Kind::Duration, (false, false), vec![vec![(3.0, 4.0)]]));
    assert_eq!(point.matches("<circle").count(), 1);
    let zeros = render(&bars(Kind::Duration, vec![vec![0.0, 0.0]]));
    assert!(zeros.contains("width=\"0.00\""));
    let gap = render(&lines(
        Kind::Duration,
        (false, false),
        vec![vec![(1.0, 1.0), (2.0, f64::NAN), (3.0, 1.0), (4.0, 2.0)]],
    ));
    assert_eq!(gap.matches('M').count() - gap.matches("Middle").count(), 2);
}

#[test]
fn names_are_text() {
    let svg = render(&bars(Kind::Usd, vec![vec![1.0, 2.0]]));
    assert!(!svg.contains("<script") && !svg.contains('\x1b') && !svg.contains('\u{202e}'));
    assert!(svg.contains("role=\"img\"") && svg.contains("<desc>"));
}

fn scatter(points: Vec<(f64, f64)>, band: Option<(f64, f64)>) -> Chart {
    let dot = |(x, y): (f64, f64)| Dot {
        x,
        y,
        label: HOSTILE.to_string(),
    };
    Chart::Scatter(Scatter {
        title: HOSTILE.to_string(),
        kind: Kind::Rate("tokens/s"),
        x: HOSTILE.to_string(),
        y: "predicted".to_string(),
        groups: vec![
            (HOSTILE.to_string(), points.into_iter().map(dot).collect()),
            ("none".to_string(), Vec::new()),
        ],
        band,
    })
}

#[test]
fn points_of_the_same_value_lie_on_the_diagonal() {
    let svg = render(&scatter(
        vec![(10.0, 10.0), (1000.0, 1000.0), (0.0, 5.0), (f64::NAN, 1.0)],
        Some((0.5, 2.0)),
    ));
    check(&svg);
    assert_eq!(svg.matches("<circle").count(), 2);
    // The diagonal and both ends of the band, and words for those who do not see them.
    assert!(svg.matches("stroke-dasharray").count() == 2 && svg.contains("<desc>") && svg.contains("role=\"img\""));
    assert!(svg.contains("2 points, 0 of them predicted too high"));
    check(&render(&scatter(Vec::new(), None)));
}

proptest! {
    #[test]
    fn any_points_make_a_sound_scatter(points in prop::collection::vec((any::<f64>(), any::<f64>()), 0..20), low in 1e-3f64..1.0, high in 1.0f64..1e3) {
        check(&render(&scatter(points, Some((low, high)))));
    }
}
