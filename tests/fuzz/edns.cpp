// A sound question with an OPT record: the client, the question, size, version and flags come first, and what
// is left are the options.
#include "../unit/wire/messages.hpp"
#include "asking.hpp"

using namespace sluice;
using wire::RrType;

namespace {

constexpr const char* names[] = {"www.example.",   "app.example.",     "x.app.example.", "www.sub.example.",
                                 "big.example.",   "a.child.example.", "nope.example.",  "elsewhere.test.",
                                 "tobig.example.", "example."};
constexpr RrType types[] = {RrType::a, RrType::aaaa, RrType::mx, RrType::txt, RrType::any, RrType::https};

// A COOKIE option that we have made ourselves, which no fuzzer would guess.
void append_cookie(wire::test::Octets& options, const Address& client) {
  const wire::test::Octets half(8, 'c');
  const auto cookie = answer::make_cookie(fuzz::world_snapshot().policy.cookies.secrets.front(), half, client,
                                          fuzz::cookie_time);
  wire::test::append_u16(options, 10);
  wire::test::append_u16(options, cookie.size());
  wire::test::append(options, cookie);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static fuzz::Asking asking(fuzz::world_snapshot());
  if (size < 6) return 0;
  const auto asker = fuzz::asker_of(data[0]);
  const unsigned udp_size = data[2] << 8U | data[3], version = data[4] < 0xF0 ? 0U : data[4];
  wire::test::Octets options;
  if ((data[5] & 2) != 0) append_cookie(options, asker.client.address);
  options.insert(options.end(), data + 6, data + size);
  const auto message =
      wire::test::Message(0x1234)
          .question(names[data[1] % std::size(names)], types[data[1] / 16 % std::size(types)])
          .opt(udp_size, (data[5] & 1) != 0, options, version)
          .octets();
  asking.ask(asker, message);
  return 0;
}
