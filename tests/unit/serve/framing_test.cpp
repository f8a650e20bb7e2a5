#include "serve/framing.hpp"

#include <algorithm>
#include <vector>

#include <doctest/doctest.h>

namespace sluice::serve {
namespace {

using Octets = std::vector<std::uint8_t>;

Octets stream_of(const std::vector<std::size_t>& sizes) {
  Octets stream;
  for (const std::size_t size : sizes) {
    stream.push_back(static_cast<std::uint8_t>(size >> 8));
    stream.push_back(static_cast<std::uint8_t>(size));
    for (std::size_t i = 0; i < size; ++i) stream.push_back(static_cast<std::uint8_t>(size + i));
  }
  return stream;
}

// Feeds the stream in pieces of at most `piece` octets; returns the sizes of the messages that came out.
std::vector<std::size_t> cut(const Octets& stream, std::size_t piece) {
  MessageStream messages;
  std::vector<std::size_t> sizes;
  bool intact = true;
  for (std::size_t at = 0; at < stream.size() && intact;) {
    const auto space = messages.space();
    intact = !space.empty();
    const std::size_t size = std::min({piece, space.size(), stream.size() - at});
    std::copy_n(stream.begin() + static_cast<std::ptrdiff_t>(at), size, space.begin());
    messages.received(size);
    at += size;
    while (const auto message = messages.next()) {
      for (std::size_t i = 0; i < message->size(); ++i)
        intact = intact && (*message)[i] == static_cast<std::uint8_t>(message->size() + i);
      sizes.push_back(message->size());
    }
  }
  CHECK(intact);
  CHECK(!messages.incomplete());
  return sizes;
}

TEST_CASE("messages come out as they went in, however the stream is cut") {
  struct Row {
    const char* name;
    std::vector<std::size_t> sizes;
  };
  const std::vector<Row> rows{
      {"one", {40}},
      {"empty", {0}},
      {"empty between others", {12, 0, 12}},
      {"many", std::vector<std::size_t>(500, 33)},
      {"as long as the buffer", {MessageStream::usual_bytes - 2, MessageStream::usual_bytes - 1, 40}},
      {"the longest", {65'535, 1, 65'535}},
      {"mixed", {1, 5'000, 17, 20'000, 0, 300, 65'535, 2}},
  };
  for (const Row& row : rows)
    for (const std::size_t piece : {1, 2, 3, 7, 1000, 4096, 100'000}) {
      CAPTURE(row.name);
      CAPTURE(piece);
      CHECK(cut(stream_of(row.sizes), piece) == row.sizes);
    }
}

TEST_CASE("a beginning is incomplete until the last octet") {
  const Octets stream = stream_of({3});
  MessageStream messages;
  CHECK(!messages.incomplete());
  for (const std::uint8_t octet : stream) {
    CHECK(!messages.next());
    messages.space()[0] = octet;
    messages.received(1);
    CHECK(messages.incomplete());
  }
  CHECK(messages.next()->size() == 3);
  CHECK(!messages.incomplete());
}

TEST_CASE("a length alone takes no memory") {
  MessageStream messages;
  auto space = messages.space();
  space[0] = space[1] = 0xFF;
  messages.received(2);
  CHECK(!messages.next());
  CHECK(messages.space().size() <= MessageStream::usual_bytes);
}

TEST_CASE("a long message's memory is given back") {
  MessageStream messages;
  const Octets stream = stream_of({65'535});
  for (const std::uint8_t octet : stream) {
    messages.space()[0] = octet;
    messages.received(1);
  }
  CHECK(messages.next()->size() == 65'535);
  CHECK(messages.space().size() == MessageStream::usual_bytes);
}

}  // namespace
}  // namespace sluice::serve
