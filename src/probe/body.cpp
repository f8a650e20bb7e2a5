#include "probe/body.hpp"

#include <algorithm>
#include <string_view>

namespace sluice::probe {
namespace {

constexpr std::size_t piece_size = 8 * 1024;

// A pattern is held against all that has come whenever more has come, as a server may keep the connection
// open. A body that comes octet by octet would make us do so 65,536 times: beyond this effort we wait until
// there is twice as much.
constexpr std::size_t effort_max = 16 * body_size_max;

}  // namespace

std::span<char> BodySearch::room() {
  const auto size = text_.size();
  room_ = std::min(piece_size, body_size_max - size);
  text_.resize(size + room_);
  return {text_.data() + size, room_};
}

void BodySearch::take(std::size_t size) {
  const auto old_size = text_.size() - room_;
  text_.resize(old_size + size);
  room_ = 0;
  if (size > 0 && !found_) look(old_size);
  if (at_limit()) end();
}

void BodySearch::look(std::size_t old_size) {
  if (pattern_ == nullptr) {
    const auto overlap = std::min(old_size, check_.body.size() - 1);
    found_ = text_.find(check_.body, old_size - overlap) != std::string::npos;
    return;
  }
  if (effort_ + text_.size() > effort_max && text_.size() < 2 * looked_at_) return;
  looked_at_ = text_.size();
  effort_ += text_.size();
  found_ = pattern_->occurs_whatever_follows(text_);
}

void BodySearch::end() {
  if (!found_ && pattern_ != nullptr) found_ = pattern_->occurs_in(text_);
}

}  // namespace sluice::probe
