// Looks for what a check wants in the begin of a response's body, piece by piece as it comes.
//
//   room() -> the network writes -> take(size) -> settled()?  ... end() -> found()
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "config/config.hpp"
#include "config/pattern.hpp"

namespace sluice::probe {

// How much of a body is looked at.
inline constexpr std::size_t body_size_max = 64 * 1024;

class BodySearch {
 public:
  // For the text or, if it is given, the pattern. Both have to live as long as this.
  BodySearch(const config::Check& check, const config::Pattern* pattern) : check_(check), pattern_(pattern) {}

  // Where what comes next goes; empty when there is no room left. Good until the next call.
  std::span<char> room();
  // So many octets were put there.
  void take(std::size_t size);
  // Nothing follows.
  void end();

  bool found() const { return found_; }
  bool at_limit() const { return text_.size() >= body_size_max; }
  bool settled() const { return found_ || at_limit(); }

 private:
  void look(std::size_t old_size);

  const config::Check& check_;
  const config::Pattern* pattern_;
  std::string text_;
  std::size_t room_ = 0;       // at the end of `text_`, while somebody fills it
  std::size_t looked_at_ = 0;  // how much of the text the pattern was held against last
  std::size_t effort_ = 0;     // octets that the pattern was held against, all times together
  bool found_ = false;
};

}  // namespace sluice::probe
