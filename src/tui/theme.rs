//! Colours by role, and what a terminal can show of them.
//!
//! No meaning is told by colour alone: letters, signs and weight say the same.

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};
use unicode_width::UnicodeWidthStr;

/// What a piece of the screen is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Ordinary words.
    Text,
    /// What may be overlooked.
    Dim,
    /// What matters most.
    Strong,
    /// The line around a panel.
    Border,
    /// The same of the panel that listens.
    Focus,
    /// Where the cursor is.
    Select,
    /// A change for the better.
    Good,
    /// A change for the worse.
    Bad,
    /// Something to look at twice.
    Warn,
    /// A key, a value that can be changed.
    Accent,
    /// One of several parts, from 0.
    Series(u8),
}

/// The presets, by name; the first is the default.
pub const NAMES: [&str; 5] = ["safe", "dark", "light", "contrast", "mono"];

/// How many colours a terminal has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// 24 bits.
    True,
    /// The 6×6×6 cube of xterm.
    Cube,
    /// The first sixteen.
    Sixteen,
}

/// Colours by role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Theme {
    /// Its name.
    pub name: &'static str,
    /// Nothing but ASCII is written.
    pub ascii: bool,
    depth: Depth,
    background: Option<u32>,
    text: Option<u32>,
    dim: Option<u32>,
    border: Option<u32>,
    focus: Option<u32>,
    good: Option<u32>,
    bad: Option<u32>,
    warn: Option<u32>,
    accent: Option<u32>,
    series: [u32; 8],
    mono: bool,
}

/// Eight colours that people with any kind of colour vision tell apart (Okabe and Ito 2008, "Color
/// Universal Design"); black is replaced by grey, as the ground may be black.
const OKABE_ITO: [u32; 8] = [
    0x0000_72B2,
    0x00E6_9F00,
    0x0099_9999,
    0x0000_9E73,
    0x00CC_79A7,
    0x00D5_5E00,
    0x0056_B4E9,
    0x00F0_E442,
];

impl Theme {
    /// The preset with this name.
    #[must_use]
    pub fn named(name: &str, depth: Depth, ascii: bool) -> Option<Theme> {
        let name = NAMES.iter().find(|n| **n == name)?;
        // The grounds of `safe` and `mono` are those of the terminal.
        let safe = Theme {
            name,
            ascii,
            depth,
            background: None,
            text: None,
            dim: Some(0x0099_9999),
            border: Some(0x0080_8080),
            focus: Some(0x0056_B4E9),
            good: Some(0x0056_B4E9),
            bad: Some(0x00E6_9F00),
            warn: Some(0x00E6_9F00),
            accent: Some(0x00F0_E442),
            series: OKABE_ITO,
            mono: false,
        };
        Some(match *name {
            "dark" => Theme {
                background: Some(0x0014_1820),
                text: Some(0x00D8_DEE9),
                ..safe
            },
            "light" => Theme {
                background: Some(0x00FF_FFFF),
                text: Some(0x0020_2020),
                dim: Some(0x006A_6A6A),
                focus: Some(0x0000_72B2),
                good: Some(0x0000_72B2),
                bad: Some(0x00B2_4A00),
                warn: Some(0x00B2_4A00),
                accent: Some(0x0000_6B4E),
                ..safe
            },
            "contrast" => Theme {
                background: Some(0x0000_0000),
                text: Some(0x00FF_FFFF),
                dim: Some(0x00FF_FFFF),
                border: Some(0x00FF_FFFF),
                focus: Some(0x00FF_FF00),
                good: Some(0x0000_FFFF),
                bad: Some(0x00FF_C000),
                warn: Some(0x00FF_C000),
                accent: Some(0x00FF_FF00),
                ..safe
            },
            "mono" => Theme { mono: true, ..safe },
            _ => safe,
        })
    }

    /// Without any colour.
    #[must_use]
    pub fn plain(ascii: bool) -> Theme {
        Theme {
            name: "mono",
            ascii,
            depth: Depth::Sixteen,
            background: None,
            text: None,
            dim: None,
            border: None,
            focus: None,
            good: None,
            bad: None,
            warn: None,
            accent: None,
            series: OKABE_ITO,
            mono: true,
        }
    }

    /// How many colours it has.
    #[must_use]
    pub fn depth(&self) -> Depth {
        self.depth
    }

    /// How a role looks.
    #[must_use]
    pub fn style(&self, role: Role) -> Style {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let weight = match role {
            Role::Strong | Role::Focus | Role::Accent | Role::Warn => bold,
            Role::Select => Style::new().add_modifier(Modifier::REVERSED),
            Role::Dim | Role::Border if self.mono => Style::new().add_modifier(Modifier::DIM),
            Role::Bad if self.mono => Style::new().add_modifier(Modifier::UNDERLINED),
            _ => Style::new(),
        };
        let color = match role {
            _ if self.mono => None,
            Role::Text | Role::Strong | Role::Select => self.text,
            Role::Dim => self.dim,
            Role::Border => self.border,
            Role::Focus => self.focus,
            Role::Good => self.good,
            Role::Bad => self.bad,
            Role::Warn => self.warn,
            Role::Accent => self.accent,
            Role::Series(i) => Some(self.series[usize::from(i) % self.series.len()]),
        };
        let ground = self.background.filter(|_| !self.mono).map(|c| self.shown(c));
        Style {
            fg: color.map(|c| self.shown(c)),
            bg: ground,
            ..weight
        }
    }

    /// The colour of a share from 0 to 1 of a scale; nothing where there are no colours.
    #[must_use]
    pub fn heat(&self, share: f64) -> Option<Color> {
        // Viridis at its quarters (van der Walt and Smith 2015): even in lightness for every eye.
        const STOPS: [[f64; 3]; 5] = [
            [68.0, 1.0, 84.0],
            [59.0, 82.0, 139.0],
            [33.0, 145.0, 140.0],
            [94.0, 201.0, 98.0],
            [253.0, 231.0, 37.0],
        ];
        if self.mono {
            return None;
        }
        let at = share.clamp(0.0, 1.0) * 4.0;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let low = (at as usize).min(3);
        #[allow(clippy::cast_precision_loss)]
        let part = at - low as f64;
        let mix = |i: usize| STOPS[low][i] + part * (STOPS[low + 1][i] - STOPS[low][i]);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let rgb = (mix(0) as u32) << 16 | (mix(1) as u32) << 8 | mix(2) as u32;
        Some(self.shown(rgb))
    }

    fn shown(&self, rgb: u32) -> Color {
        #[allow(clippy::cast_possible_truncation)]
        let [r, g, b] = [(rgb >> 16) as u8, (rgb >> 8) as u8, rgb as u8];
        match self.depth {
            Depth::True => Color::Rgb(r, g, b),
            Depth::Cube => {
                let level = |v: u8| match v {
                    0..48 => 0,
                    48..115 => 1,
                    other => (other - 35) / 40,
                };
                Color::Indexed(16 + 36 * level(r) + 6 * level(g) + level(b))
            }
            Depth::Sixteen => sixteen([r, g, b]),
        }
    }
}

/// The nearest of the sixteen colours as most terminals show them.
fn sixteen(rgb: [u8; 3]) -> Color {
    const LIST: [(Color, [u8; 3]); 14] = [
        (Color::Black, [0, 0, 0]),
        (Color::Red, [205, 0, 0]),
        (Color::Green, [0, 205, 0]),
        (Color::Yellow, [205, 205, 0]),
        (Color::Blue, [0, 0, 238]),
        (Color::Magenta, [205, 0, 205]),
        (Color::Cyan, [0, 205, 205]),
        (Color::Gray, [229, 229, 229]),
        (Color::DarkGray, [127, 127, 127]),
        (Color::LightRed, [255, 0, 0]),
        (Color::LightYellow, [255, 255, 0]),
        (Color::LightBlue, [92, 92, 255]),
        (Color::LightCyan, [0, 255, 255]),
        (Color::White, [255, 255, 255]),
    ];
    let far = |other: &[u8; 3]| -> i32 {
        let parts = rgb.iter().zip(other).map(|(a, b)| i32::from(*a) - i32::from(*b));
        parts.map(|d| d * d).sum()
    };
    LIST.iter().min_by_key(|(_, c)| far(c)).map_or(Color::Gray, |(c, _)| *c)
}

/// Replace what is not ASCII by what is closest to it.
pub fn asciify(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        let symbol = cell.symbol();
        if symbol.is_ascii() {
            continue;
        }
        let wide = symbol.width() > 1;
        let c = symbol.chars().next().map_or('?', ascii_of);
        cell.set_char(if wide { '?' } else { c });
    }
}

fn ascii_of(c: char) -> char {
    match c {
        '─' | '┄' | '–' | '—' | '−' | '▀' | '▄' | '╌' => '-',
        '│' | '║' | '┆' => '|',
        '═' => '=',
        '┌' | '┐' | '└' | '┘' | '├' | '┤' | '┬' | '┴' | '┼' | '╔' | '╗' | '╚' | '╝' => '+',
        '█' | '▉' | '▊' | '▋' | '▌' | '▓' => '#',
        '▏' | '▎' | '▍' | '·' | '░' | '…' | '•' => '.',
        '▒' => ':',
        '×' => 'x',
        '→' => '>',
        '←' => '<',
        '↑' => '^',
        '↓' => 'v',
        '●' => 'O',
        'µ' => 'u',
        '±' => '~',
        '²' => '2',
        '³' => '3',
        'σ' => 's',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_and_cube_are_the_nearest() {
        assert_eq!(sixteen([250, 250, 0]), Color::LightYellow);
        assert_eq!(sixteen([10, 5, 0]), Color::Black);
        let cube = Theme::named("contrast", Depth::Cube, false).unwrap();
        assert_eq!(cube.shown(0x00FF_FFFF), Color::Indexed(231));
        assert_eq!(cube.shown(0x0000_0000), Color::Indexed(16));
    }

    #[test]
    fn mono_has_no_colour_at_all() {
        let mono = Theme::named("mono", Depth::True, true).unwrap();
        for role in [Role::Text, Role::Good, Role::Bad, Role::Series(3), Role::Select] {
            let style = mono.style(role);
            assert!(style.fg.is_none() && style.bg.is_none(), "{role:?}");
        }
        assert!(mono.heat(0.5).is_none());
    }
}
