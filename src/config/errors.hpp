// What is wrong in one config file, collected while it is read; and how its texts are shown in messages.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "base/diagnostic.hpp"

namespace sluice::config {

class Errors {
 public:
  explicit Errors(std::string file) : file_(std::move(file)) {}

  void add(Position at, std::string message) { list_.push_back({file_, at, std::move(message)}); }
  std::size_t count() const { return list_.size(); }

  // All of them in the order of the file; empties this.
  Diagnostics take();

 private:
  std::string file_;
  Diagnostics list_;
};

// A text of the user's, fit for one line of a message: control characters escaped, cut when it is long.
std::string shown(std::string_view text);

}  // namespace sluice::config
