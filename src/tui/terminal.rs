//! The terminal while it is ours: taken, given back, whatever ends the program.

use super::paint::columns;
use crossterm::event::{DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture};
use crossterm::style::Print;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{cursor, execute};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use std::io::{Stdout, stdout};
use std::panic::PanicHookInfo;
use std::sync::Arc;

type Hook = Arc<dyn Fn(&PanicHookInfo<'_>) + Send + Sync>;

/// The terminal while it is ours; given back when dropped, and before a panic is printed.
pub struct Screen {
    /// What is drawn on.
    pub terminal: Terminal<CrosstermBackend<Stdout>>,
    /// Files that are being written; leaving waits for them.
    pub exports: Vec<std::thread::JoinHandle<()>>,
    hook: Hook,
    mouse: bool,
}

impl Screen {
    /// Take it.
    ///
    /// # Errors
    /// When the terminal fails.
    pub fn enter(mouse: bool) -> std::io::Result<Screen> {
        let terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
        let hook: Hook = Arc::from(std::panic::take_hook());
        let (before, ours) = (hook.clone(), std::thread::current().id());
        std::panic::set_hook(Box::new(move |info| {
            // Other threads report their panics as answers; printing would spoil the screen.
            if std::thread::current().id() == ours {
                restore();
                before(info);
            }
        }));
        let screen = Screen {
            terminal,
            exports: Vec::new(),
            hook,
            mouse,
        };
        take(mouse)?;
        Ok(screen)
    }

    /// Give it to the shell, and take it back when the program goes on.
    ///
    /// # Errors
    /// When the terminal fails.
    #[cfg(unix)]
    pub fn suspend(&mut self) -> std::io::Result<()> {
        restore();
        signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP)?;
        take(self.mouse)?;
        self.terminal.clear()
    }

    /// There is no such thing here.
    ///
    /// # Errors
    /// Never.
    #[cfg(not(unix))]
    pub fn suspend(&mut self) -> std::io::Result<()> {
        Ok(())
    }

    /// Put a text into the clipboard of the terminal (OSC 52); one that does not know the sequence ignores it.
    ///
    /// # Errors
    /// When the terminal fails.
    pub fn copy(text: &str) -> std::io::Result<()> {
        execute!(stdout(), Print(format!("\x1b]52;c;{}\x07", base64(text.as_bytes()))))
    }

    /// Write a screen as text, to stay in the terminal.
    ///
    /// # Errors
    /// When the terminal fails.
    pub fn print(buffer: &Buffer) -> std::io::Result<()> {
        let width = usize::from(buffer.area.width).max(1);
        for row in buffer.content.chunks(width) {
            let line: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
            let line = line.trim_end().to_string();
            debug_assert!(columns(&line) <= buffer.area.width * 2);
            execute!(stdout(), Print(line), Print("\r\n"))?;
        }
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        for export in self.exports.drain(..) {
            let _ = export.join();
        }
        restore();
        // A hook cannot be changed while panicking, and that panic has been printed.
        if !std::thread::panicking() {
            let hook = self.hook.clone();
            std::panic::set_hook(Box::new(move |info| hook(info)));
        }
    }
}

fn take(mouse: bool) -> std::io::Result<()> {
    enable_raw_mode()?;
    execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)?;
    if mouse {
        execute!(stdout(), EnableMouseCapture)?;
    }
    Ok(())
}

/// Errors are ignored: there is no terminal left to tell them on.
fn restore() {
    let _ = disable_raw_mode();
    let _ = execute!(
        stdout(),
        DisableMouseCapture,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        cursor::Show
    );
}

/// RFC 4648 §4, with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let at = |i: usize| u32::from(three.get(i).copied().unwrap_or(0));
        let all = at(0) << 16 | at(1) << 8 | at(2);
        for i in 0..4 {
            let letter = LETTERS[(all >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= three.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::base64;

    /// The vectors of RFC 4648 §10.
    #[test]
    fn base64_is_that_of_the_standard() {
        for (text, want) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(text.as_bytes()), want);
        }
    }
}
