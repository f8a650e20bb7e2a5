#include "config/pattern.hpp"

#include <cstdint>
#include <utility>

#include <fmt/format.h>
#include <re2/re2.h>

namespace sluice::config {
namespace {

// What a compiled pattern and its caches may take. Some thousand instructions: enough for any that a person
// writes, too few to keep a processor busy for long.
constexpr std::int64_t memory_max = 256 << 10;

RE2::Options options() {
  RE2::Options options(RE2::Quiet);
  options.set_max_mem(memory_max);
  return options;
}

re2::StringPiece to_piece(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

Result<Pattern> Pattern::compile(const std::string& text) {
  auto compiled = std::make_shared<const re2::RE2>(text, options());
  if (!compiled->ok())
    return Error{ErrorCode::invalid, fmt::format("not a regular expression: {}", compiled->error())};
  return Pattern(std::move(compiled));
}

bool Pattern::occurs_in(std::string_view text) const {
  return compiled_->Match(to_piece(text), 0, text.size(), RE2::UNANCHORED, nullptr, 0);
}

// What follows a match is looked at by one octet at most ("$", "\b"), so that a match that ends before the
// end stays one.
bool Pattern::occurs_whatever_follows(std::string_view begin) const {
  re2::StringPiece match;
  if (!compiled_->Match(to_piece(begin), 0, begin.size(), RE2::UNANCHORED, &match, 1)) return false;
  return match.data() + match.size() < begin.data() + begin.size();
}

}  // namespace sluice::config
