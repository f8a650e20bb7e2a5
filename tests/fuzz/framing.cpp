// A TCP stream in whatever pieces gives the messages that are in it: the first octets seed the pieces' sizes,
// the others are the stream.
#include "serve/framing.hpp"

#include <algorithm>
#include <random>
#include <vector>

#include "rules.hpp"

using namespace sluice;
using Messages = std::vector<std::vector<std::uint8_t>>;

namespace {

Messages cut_at_once(wire::Bytes stream) {
  Messages messages;
  while (stream.size() >= 2) {
    const std::size_t size = std::size_t{stream[0]} << 8 | stream[1];
    if (stream.size() - 2 < size) break;
    messages.emplace_back(stream.begin() + 2, stream.begin() + 2 + static_cast<std::ptrdiff_t>(size));
    stream = stream.subspan(2 + size);
  }
  return messages;
}

Messages cut_in_pieces(wire::Bytes stream, unsigned seed) {
  Messages messages;
  std::minstd_rand random(seed);
  const std::size_t piece_max = 1 + seed % 8 * 700;
  serve::MessageStream cutter;
  while (!stream.empty()) {
    const auto space = cutter.space();
    fuzz::require(!space.empty(), "there is always room for more");
    const std::size_t size = std::min({1 + random() % piece_max, space.size(), stream.size()});
    std::copy_n(stream.begin(), size, space.begin());
    cutter.received(size);
    stream = stream.subspan(size);
    while (const auto message = cutter.next()) messages.emplace_back(message->begin(), message->end());
  }
  return messages;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const wire::Bytes stream(data + 2, size - 2);
  fuzz::require(cut_in_pieces(stream, data[0] << 8U | data[1]) == cut_at_once(stream),
                "the pieces of a stream do not change its messages");
  return 0;
}
