//! One line of text that is being typed.

use unicode_width::UnicodeWidthChar;

/// Longest line.
const MOST_CHARS: usize = 2000;

/// Text with a cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Field {
    text: Vec<char>,
    cursor: usize,
}

/// What typing does to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// A character, or pasted ones.
    Text(String),
    /// Remove the one before.
    Backspace,
    /// Remove the one under the cursor.
    Delete,
    /// Remove the word before.
    Word,
    /// Remove all before.
    Clear,
    /// Move.
    Left,
    /// Move.
    Right,
    /// Move.
    Home,
    /// Move.
    End,
}

impl Field {
    /// A line with the cursor at its end.
    #[must_use]
    pub fn new(text: &str) -> Field {
        let text: Vec<char> = crate::report::cell::clean(text).chars().take(MOST_CHARS).collect();
        Field { cursor: text.len(), text }
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> String {
        self.text.iter().collect()
    }

    /// Change it.
    pub fn typed(&mut self, what: &Typed) {
        match what {
            Typed::Text(text) => {
                let room = MOST_CHARS.saturating_sub(self.text.len());
                let new: Vec<char> = crate::report::cell::clean(text).chars().take(room).collect();
                let n = new.len();
                self.text.splice(self.cursor..self.cursor, new);
                self.cursor += n;
            }
            Typed::Backspace if self.cursor > 0 => {
                self.cursor -= 1;
                self.text.remove(self.cursor);
            }
            Typed::Delete if self.cursor < self.text.len() => {
                self.text.remove(self.cursor);
            }
            Typed::Word => {
                let mut from = self.cursor;
                while from > 0 && self.text[from - 1] == ' ' {
                    from -= 1;
                }
                while from > 0 && self.text[from - 1] != ' ' {
                    from -= 1;
                }
                self.text.drain(from..self.cursor);
                self.cursor = from;
            }
            Typed::Clear => {
                self.text.drain(..self.cursor);
                self.cursor = 0;
            }
            Typed::Left => self.cursor = self.cursor.saturating_sub(1),
            Typed::Right => self.cursor = (self.cursor + 1).min(self.text.len()),
            Typed::Home => self.cursor = 0,
            Typed::End => self.cursor = self.text.len(),
            Typed::Backspace | Typed::Delete => {}
        }
    }

    /// The part that `width` columns show, with the column of the cursor.
    #[must_use]
    pub fn window(&self, width: usize) -> (String, usize) {
        let columns = |list: &[char]| list.iter().map(|c| c.width().unwrap_or(0)).sum::<usize>();
        let mut first = 0;
        while columns(&self.text[first..self.cursor]) + 1 > width.max(1) && first < self.cursor {
            first += 1;
        }
        (self.text[first..].iter().collect(), columns(&self.text[first..self.cursor]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_wide_characters() {
        let mut field = Field::new("musd < 4 and 東京");
        field.typed(&Typed::Word);
        assert_eq!(field.text(), "musd < 4 and ");
        field.typed(&Typed::Text("東京\x1b".to_string()));
        assert_eq!(field.window(4), ("京\u{fffd}".to_string(), 3));
        field.typed(&Typed::Home);
        field.typed(&Typed::Delete);
        assert!(field.text().starts_with("usd"));
        field.typed(&Typed::End);
        field.typed(&Typed::Clear);
        assert_eq!(field.text(), "");
        field.typed(&Typed::Backspace);
        assert_eq!(field.window(1), (String::new(), 0));
    }
}
