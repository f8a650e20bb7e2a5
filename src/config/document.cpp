#include "config/document.hpp"

#include <cerrno>
#include <cstdio>
#include <memory>
#include <new>
#include <system_error>

#include <fmt/format.h>

namespace sluice::config {
namespace {

// A key of our own has three parts (steer."NAME".pools.POOL: four). The library builds and frees a table for
// each part, one inside the other, by recursion: 100,000 parts end the process with its stack.
constexpr std::size_t key_parts_max = 16;

// Finds the first key of too many parts: enough of a lexer to tell dots in keys from those in strings and
// comments. A dot in a float counts as well, and does no harm: the next comma, bracket or line starts anew.
class KeyDepthScan {
 public:
  explicit KeyDepthScan(std::string_view text) : text_(text) {}

  std::optional<Position> find() {
    for (; at_ < text_.size(); ++at_) {
      switch (text_[at_]) {
        case '\n':
          ++line_;
          line_at_ = at_ + 1;
          parts_ = 1;
          break;
        case '.':
          if (++parts_ > key_parts_max) return position();
          break;
        case '=':
        case ',':
        case '[':
        case ']':
        case '{':
        case '}':
          parts_ = 1;
          break;
        case '#':
          skip_comment();
          break;
        case '"':
        case '\'':
          skip_string(text_[at_]);
          break;
      }
    }
    return std::nullopt;
  }

 private:
  // In octets, not characters: such a line is no text for people anyway.
  Position position() const { return {line_, static_cast<std::uint32_t>(at_ - line_at_ + 1)}; }

  // Stops before the end of the line.
  void skip_comment() { at_ = std::min(text_.find('\n', at_), text_.size()) - 1; }

  // Stops at the closing quote, or before the end of the line that cuts the string short: the parser will say
  // so.
  void skip_string(char quote) {
    const std::string triple(3, quote);
    if (text_.substr(at_).starts_with(triple)) return skip_lines(triple);
    for (++at_; at_ < text_.size() && text_[at_] != quote; ++at_) {
      if (text_[at_] == '\n') break;
      if (text_[at_] == '\\' && quote == '"') ++at_;
    }
    if (at_ < text_.size() && text_[at_] == '\n') --at_;
  }

  void skip_lines(std::string_view triple) {
    for (at_ += 3; at_ < text_.size() && !text_.substr(at_).starts_with(triple); ++at_) {
      if (text_[at_] == '\\' && triple[0] == '"') ++at_;
      if (at_ < text_.size() && text_[at_] == '\n') {
        ++line_;
        line_at_ = at_ + 1;
      }
    }
    at_ += 2;
    while (at_ + 1 < text_.size() && text_[at_ + 1] == triple[0])
      ++at_;  // up to two quotes end the text itself
  }

  std::string_view text_;
  std::size_t at_ = 0, line_at_ = 0, parts_ = 1;
  std::uint32_t line_ = 1;
};

// "Error while parsing decimal integer: expected digit, saw 's'" -> "expected digit, saw 's' (in a decimal
// integer)", with the advice that the place suggests.
std::string tidied(std::string_view description) {
  constexpr std::string_view opening = "Error while parsing ", library_option = " (TOML_MAX_NESTED_VALUES)";
  if (description.find("utf-8") != description.npos) return "the file is not UTF-8 text";
  if (const auto at = description.find(library_option); at != description.npos)
    description = description.substr(0, at);
  const auto colon = description.find(": ");
  if (!description.starts_with(opening) || colon == description.npos) return shown(description);
  const auto place = description.substr(opening.size(), colon - opening.size());
  auto what = std::string(description.substr(colon + 2));
  if (const auto at = what.find("end-of-file"); at != what.npos) what.replace(at, 11, "the end of the file");
  const bool number = place.find("integer") != place.npos || place.find("float") != place.npos;
  const bool word = place == "boolean" || what.starts_with("could not determine value type");
  return fmt::format("TOML syntax, {}: {}{}", place, shown(what),
                     number || word ? "; texts, addresses and durations stand in quotes (\"2s\")" : "");
}

Error cannot_read(int error) {
  return {ErrorCode::unavailable,
          fmt::format("cannot read the file: {}", std::generic_category().message(error))};
}

}  // namespace

Result<std::string> read_config(const std::string& file) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> stream(std::fopen(file.c_str(), "rbe"), std::fclose);
  if (!stream) return cannot_read(errno);
  std::string text;
  std::string chunk(64 << 10, '\0');
  while (const auto size = std::fread(chunk.data(), 1, chunk.size(), stream.get())) {
    text.append(chunk, 0, size);
    if (text.size() > file_size_max)
      return Error{ErrorCode::invalid, fmt::format("the file is larger than {} MiB", file_size_max >> 20)};
  }
  if (std::ferror(stream.get())) return cannot_read(errno);
  return text;
}

std::optional<toml::table> parse_document(std::string_view text, Errors& errors) {
  if (text.size() > file_size_max) {
    errors.add({}, fmt::format("the file is larger than {} MiB", file_size_max >> 20));
    return std::nullopt;
  }
  if (const auto at = KeyDepthScan(text).find()) {
    errors.add(*at, fmt::format("a key has more than {} parts", key_parts_max));
    return std::nullopt;
  }
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    const auto& at = error.source().begin;
    errors.add({at.line, at.column}, tidied(error.description()));
  } catch (const std::exception& error) {
    errors.add({}, fmt::format("cannot parse the file: {}", error.what()));
  }
  return std::nullopt;
}

}  // namespace sluice::config
