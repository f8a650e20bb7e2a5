// DNS cookies (RFC 7873), made in the way that several servers of one address can share (RFC 9018). A client
// that sends our cookie back has shown that it gets what we send to its address: nobody forged it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.hpp"
#include "base/diagnostic.hpp"
#include "wire/name.hpp"
#include "wire/reply.hpp"

namespace sluice::answer {

using CookieSecret = std::array<std::uint8_t, 16>;

struct Cookies {
  // The first makes cookies, all are accepted: servers that share an address can go from one secret to the
  // next one by one. Empty: cookies are neither made nor looked at.
  std::vector<CookieSecret> secrets;
  bool required = false;  // over UDP, whoever has none gets no answer but the way to get one

  // How many secrets a file may hold: the one in use, the one before and the one to come.
  static constexpr std::size_t secrets_max = 3;
};

enum class CookieVerdict : std::uint8_t {
  absent,
  unknown,  // the client's half alone, or a server's half that is not ours or too old
  stale,    // ours and valid; time for a new one
  valid,
};

// `cookie` as in wire::Edns. `now` in seconds since 1970, as is the time in the cookie, modulo 2^32. No
// allocation.
CookieVerdict judge_cookie(const Cookies& cookies, wire::Bytes cookie, const Address& client,
                           std::uint32_t now);

// The cookie to send to a client whose half is the first 8 octets of `cookie`.
wire::Cookie make_cookie(const CookieSecret& secret, wire::Bytes cookie, const Address& client,
                         std::uint32_t now);

// The secrets in a file: 32 hexadecimal digits a line, the one in use first; '#' begins a comment. Empty when
// there are errors; `file` is shown in them as given.
std::vector<CookieSecret> parse_cookie_secrets(std::string_view text, const std::string& file,
                                               Diagnostics& errors);

}  // namespace sluice::answer
