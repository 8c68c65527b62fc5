"""A terminal's cells, as `tmux capture-pane -pe` prints them, as an SVG picture.

    tmux capture-pane -pe | python3 picture.py TITLE > picture.svg
"""
import html
import re
import sys
import unicodedata

WIDTH, HEIGHT, SIZE = 8.4, 17, 14
GROUND, TEXT = "#14181f", "#d8dee9"
SIXTEEN = ["#000000", "#cd0000", "#00cd00", "#cdcd00", "#5c5cff", "#cd00cd", "#00cdcd", "#e5e5e5",
           "#7f7f7f", "#ff0000", "#00ff00", "#ffff00", "#8c8cff", "#ff00ff", "#00ffff", "#ffffff"]


def color(codes):
    """The colour behind 38 or 48, taken off the codes."""
    kind = codes.pop(0)
    if kind == 2:
        r, g, b = (codes.pop(0) for _ in range(3))
        return f"#{r:02x}{g:02x}{b:02x}"
    n = codes.pop(0)
    if n < 16:
        return SIXTEEN[n]
    if n > 231:
        return f"#{8 + 10 * (n - 232):02x}" + f"{8 + 10 * (n - 232):02x}" * 2
    level = lambda v: 0 if v == 0 else 55 + 40 * v
    n -= 16
    return f"#{level(n // 36):02x}{level(n // 6 % 6):02x}{level(n % 6):02x}"


def cells(line, style):
    """Column, character and style of each cell of a line; the style goes on to the next line."""
    at = 0
    for escape, text in re.findall(r"\x1b\[([0-9;:]*)m|([^\x1b])", line):
        if text:
            yield at, text, dict(style)
            at += 2 if unicodedata.east_asian_width(text) in "WF" else 1
            continue
        codes = [int(c or 0) for c in re.split("[;:]", escape)]
        while codes:
            c = codes.pop(0)
            if c == 0:
                style.clear()
            elif c in (1, 2, 7):
                style[{1: "bold", 2: "dim", 7: "reverse"}[c]] = True
            elif c in (22, 27):
                for key in {22: ("bold", "dim"), 27: ("reverse",)}[c]:
                    style.pop(key, None)
            elif 30 <= c <= 37 or 90 <= c <= 97:
                style["fg"] = SIXTEEN[c - 30 if c < 90 else c - 82]
            elif 40 <= c <= 47 or 100 <= c <= 107:
                style["bg"] = SIXTEEN[c - 40 if c < 100 else c - 92]
            elif c in (38, 48):
                style["fg" if c == 38 else "bg"] = color(codes)
            elif c in (39, 49):
                style.pop("fg" if c == 39 else "bg", None)


def main():
    lines = sys.stdin.read().rstrip("\n").split("\n")
    columns = max(len(re.sub(r"\x1b\[[0-9;:]*m", "", l)) for l in lines)
    w, h = columns * WIDTH + 16, len(lines) * HEIGHT + 16
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w:.0f} {h}" font-family="monospace" font-size="{SIZE}">',
           f"<title>{html.escape(sys.argv[1])}</title>", f'<rect width="100%" height="100%" fill="{GROUND}"/>']
    style = {}
    for row, line in enumerate(lines):
        runs = []
        for at, text, look in cells(line, style):
            if runs and runs[-1][2] == look and runs[-1][0] + len(runs[-1][1]) == at:
                runs[-1][1] += text
            else:
                runs.append([at, text, look])
        y = 8 + row * HEIGHT
        for at, text, look in runs:
            fg, bg = look.get("fg", TEXT), look.get("bg", GROUND)
            if look.get("reverse"):
                fg, bg = bg, fg
            x, wide = 8 + at * WIDTH, len(text) * WIDTH
            if bg != GROUND:
                out.append(f'<rect x="{x:.1f}" y="{y}" width="{wide:.1f}" height="{HEIGHT}" fill="{bg}"/>')
            if text.strip():
                weight = ' font-weight="bold"' if look.get("bold") else ""
                out.append(f'<text x="{x:.1f}" y="{y + 13}" fill="{fg}"{weight} textLength="{wide:.1f}" '
                           f'xml:space="preserve">{html.escape(text)}</text>')
    print("\n".join(out + ["</svg>"]))


main()
