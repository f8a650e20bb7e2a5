// A regular expression in RE2's syntax. Matching takes time in proportion to the text, whatever the pattern.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace re2 {
class RE2;
}

namespace sluice::config {

// Immutable; may be used by several threads at once.
class Pattern {
 public:
  // ErrorCode::invalid with RE2's own words.
  static Result<Pattern> compile(const std::string& text);

  // Whether it matches somewhere in a text.
  bool occurs_in(std::string_view text) const;

  // The same for the begin of a text: whether it matches whatever follows. "^ok$" does not match "ok" then.
  bool occurs_whatever_follows(std::string_view begin) const;

 private:
  explicit Pattern(std::shared_ptr<const re2::RE2> compiled) : compiled_(std::move(compiled)) {}

  std::shared_ptr<const re2::RE2> compiled_;
};

}  // namespace sluice::config
