#include "serve/framing.hpp"

#include <algorithm>

namespace sluice::serve {
namespace {

constexpr std::size_t prefix_size = 2;

}  // namespace

// The size of the first message with its prefix; of the prefix alone as long as that is not complete.
std::size_t MessageStream::needed() const {
  if (end_ - begin_ < prefix_size) return prefix_size;
  return prefix_size + (std::size_t{buffer_[begin_]} << 8 | buffer_[begin_ + 1]);
}

std::optional<wire::Bytes> MessageStream::next() {
  const std::size_t size = needed();
  if (end_ - begin_ < size) return std::nullopt;
  const wire::Bytes message = wire::Bytes(buffer_).subspan(begin_ + prefix_size, size - prefix_size);
  begin_ += size;
  return message;
}

std::span<std::uint8_t> MessageStream::space() {
  const std::size_t have = end_ - begin_;
  std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
            buffer_.begin() + static_cast<std::ptrdiff_t>(end_), buffer_.begin());
  begin_ = 0, end_ = have;
  const std::size_t wanted = std::clamp(needed(), usual_bytes, std::max(usual_bytes, 2 * have));
  if (buffer_.size() != wanted) {
    buffer_.resize(wanted);
    buffer_.shrink_to_fit();
  }
  return std::span(buffer_).subspan(end_);
}

void MessageStream::release() {
  if (incomplete()) return;
  begin_ = end_ = 0;
  std::vector<std::uint8_t>().swap(buffer_);
}

}  // namespace sluice::serve
