#include "zone/master_text.hpp"

#include <utility>

#include <fmt/format.h>

namespace sluice::zone {
namespace {

// A carriage return is a blank, so that files with CRLF line ends read like others.
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }
bool ends_token(char c) { return is_blank(c) || c == '\n' || c == ';' || c == '(' || c == ')'; }

}  // namespace

bool has_inner_quote(std::string_view word) {
  if (word.front() == '"') return false;
  for (std::size_t i = 0; i < word.size(); i += word[i] == '\\' ? 2 : 1)
    if (word[i] == '"') return true;
  return false;
}

Position EntryReader::here() const { return {line_, static_cast<std::uint32_t>(at_ - line_start_ + 1)}; }

void EntryReader::skip_line() {
  const auto end = text_.find('\n', at_);
  at_ = end == std::string_view::npos ? text_.size() : end;
}

void EntryReader::end_line() {
  ++at_;
  ++line_;
  line_start_ = at_;
}

bool EntryReader::refuse(Position at, std::string message) {
  problem_ = {at, std::move(message)};
  return false;
}

EntryReader::Step EntryReader::next(Entry& entry) {
  entry.tokens.clear();
  bool good = true;
  while (good && !at_end()) {
    const char c = text_[at_];
    if (c == '\n') {
      end_line();
      if (open_.line == 0 && !entry.tokens.empty()) return Step::entry;
    } else if (is_blank(c)) {
      ++at_;
    } else if (c == ';') {
      skip_line();
    } else if (c == '(' || c == ')') {
      good = read_parenthesis(entry);
    } else {
      good = read_token(entry);
    }
  }
  if (good && open_.line != 0) {
    lost_records_ = true;
    good = refuse(open_, "the parenthesis is not closed: expected a ')' before the end of the file");
  }
  if (!good) {
    open_ = {};
    skip_line();
    if (!at_end()) end_line();
    return Step::problem;
  }
  return entry.tokens.empty() ? Step::end : Step::entry;
}

bool EntryReader::read_parenthesis(Entry& entry) {
  const bool opens = text_[at_] == '(';
  if (opens && open_.line != 0) {
    lost_records_ = true;
    return refuse(here(),
                  fmt::format("'(' inside parentheses: expected the ')' to the '(' of line {}, column {}",
                              open_.line, open_.column));
  }
  if (!opens && open_.line == 0) return refuse(here(), "')' without a '(' before it");
  // An entry that begins with a parenthesis has no owner in front of it, unless it stands in the first
  // column.
  if (entry.tokens.empty() && opens) entry.owner_omitted = at_ != line_start_;
  open_ = opens ? here() : Position{};
  ++at_;
  return true;
}

// Quotes may stand in the middle of a word, too: alpn="h2,h3" (RFC 9460, 2.1). A word that begins with a
// quote ends with it.
bool EntryReader::read_token(Entry& entry) {
  const Position start = here();
  const auto begin = at_;
  if (entry.tokens.empty() && open_.line == 0) entry.owner_omitted = begin != line_start_;
  bool quoted = false;
  Position quote;
  while (!at_end()) {
    const char c = text_[at_];
    if (c == '\0') return refuse(here(), "a NUL octet: expected text");
    if (c == '\n' || (!quoted && ends_token(c))) break;
    if (c == '"') {
      quote = here();
      quoted = !quoted;
    }
    // An escape may also end a line, which makes it no escape.
    at_ += c == '\\' && at_ + 1 < text_.size() && text_[at_ + 1] != '\n' ? 2 : 1;
    if (c == '"' && !quoted && text_[begin] == '"') break;
  }
  if (quoted) return refuse(quote, "the quote is not closed: expected a '\"' before the end of the line");
  entry.tokens.push_back({text_.substr(begin, at_ - begin), start});
  return true;
}

}  // namespace sluice::zone
