#include "screen.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>
#include <sys/ioctl.h>

#include "table.hpp"

namespace sluice::ctl {
namespace {

constexpr char escape = '\x1b';

// One that paint() writes: "\x1b[32m". Its length; 0 when there is none at the beginning.
std::size_t escape_size(std::string_view text) {
  if (!text.starts_with(escape)) return 0;
  return std::min(text.find('m'), text.size() - 1) + 1;
}

// Its first octet, and those that continue it.
std::size_t character_size(std::string_view text) {
  std::size_t size = 1;
  while (size < text.size() && display_width(text.substr(size, 1)) == 0) ++size;
  return size;
}

// `add(piece, is_escape)` for each character and escape.
void for_each_piece(std::string_view line, auto add) {
  while (!line.empty()) {
    const auto escapes = escape_size(line);
    const auto size = escapes > 0 ? escapes : character_size(line);
    add(line.substr(0, size), escapes > 0);
    line.remove_prefix(size);
  }
}

std::size_t visible_width(std::string_view line) {
  std::size_t width = 0;
  for_each_piece(line, [&](std::string_view, bool is_escape) { width += is_escape ? 0 : 1; });
  return width;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

}  // namespace

Screen screen_of(int terminal) {
  winsize size{};
  if (::ioctl(terminal, TIOCGWINSZ, &size) != 0) return {};
  return {size.ws_col, size.ws_row};
}

std::string cut_line(std::string_view line, std::size_t columns) {
  if (columns == 0 || visible_width(line) <= columns) return std::string(line);
  std::string result;
  std::size_t at = 0;
  for_each_piece(line, [&](std::string_view piece, bool is_escape) {
    if (is_escape || ++at < columns) result += piece;
    if (!is_escape && at == columns) result += "…";
  });
  return result;
}

std::string fitted(std::string_view text, std::string_view note, Screen screen) {
  const auto lines = lines_of(text), notes = lines_of(note);
  const auto wanted = lines.size() + notes.size() + 1;
  auto shown = lines.size();
  if (screen.rows > 0 && wanted > screen.rows) {
    const auto others = notes.size() + 2;  // the cursor's row, and that which says what is missing
    shown = screen.rows > others ? screen.rows - others : 0;
  }
  std::string result;
  const auto add = [&](std::string_view line) { result += cut_line(line, screen.columns) + "\n"; };
  std::for_each(lines.begin(), lines.begin() + static_cast<std::ptrdiff_t>(shown), add);
  if (const auto missing = lines.size() - shown; missing > 0)
    add(fmt::format("… {} more line{}", missing, missing == 1 ? "" : "s"));
  std::for_each(notes.begin(), notes.end(), add);
  return result;
}

}  // namespace sluice::ctl
