// Transaction signatures (RFC 8945): a keyed hash over a message and the time, in its last record.
//
//   request  --Session::verify-->  who asks, or which error          our request --Session::sign_request-->
//   reply    --Session::sign--->   the same key, over the request's MAC, too      --Session::verify_reply-->
//   further messages of a transfer --Session::sign-->  each over the MAC of the one before
//
// No clock: the time is an argument, in seconds since 1970. Verifying and signing take no memory of ours;
// OpenSSL takes some for each MAC.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "wire/name.hpp"
#include "wire/types.hpp"

namespace sluice::tsig {

using wire::Bytes;
using wire::TsigAlgorithm;

inline constexpr std::size_t mac_size_max = 64;  // HMAC-SHA512's

// How far clocks may be apart, in seconds (RFC 8945, 10: "recommended").
inline constexpr std::uint16_t fudge_s = 300;

struct Mac {
  std::array<std::uint8_t, mac_size_max> octets;
  std::size_t size = 0;  // 0: there is none
  Bytes bytes() const { return {octets.data(), size}; }
};

// A secret that we share with somebody, under the name that both give it. Immutable and cheap to copy.
class Key {
 public:
  // `secret` is not empty. Throws std::runtime_error when OpenSSL cannot compute such a MAC.
  Key(wire::Name name, TsigAlgorithm algorithm, Bytes secret);

  const wire::Name& name() const { return name_; }
  TsigAlgorithm algorithm() const { return algorithm_; }

  // Over all parts, one after the other. Without a size when OpenSSL has no memory. Thread-safe.
  Mac mac(std::span<const Bytes> parts) const;

 private:
  struct Context;
  wire::Name name_;
  TsigAlgorithm algorithm_;
  std::shared_ptr<const Context> context_;  // keyed; copied for each MAC
};

class Keyring {
 public:
  Keyring() = default;
  explicit Keyring(std::vector<Key> keys);

  // Null when there is none of that name (lower-case wire form). Thread-safe, no allocation.
  const Key* find(Bytes name) const;

 private:
  std::vector<Key> keys_;  // by name
};

// RFC 8945, 3: what a reply's TSIG record says of the request's.
enum class Error : std::uint16_t { none = 0, badsig = 16, badkey = 17, badtime = 18, badtrunc = 22 };

enum class Verdict : std::uint8_t {
  valid,      // signed by key()
  failed,     // error() says why; the reply is NOTAUTH with a TSIG record
  malformed,  // the reply is FORMERR without one
};

// One exchange: a request and all its replies. Reused; borrows the key. Not thread-safe.
class Session {
 public:
  // --- of who is asked ---

  // `at` is where the TSIG record of `message` begins; it is the last one (wire::Query::tsig_at).
  Verdict verify(const Keyring& keys, Bytes message, std::size_t at, std::uint64_t now_s);

  // What the last verify() came to.
  Error error() const { return error_; }
  const Key* key() const { return error_ == Error::none ? key_ : nullptr; }

  // Octets that sign() will add.
  std::size_t record_size() const;

  // Appends the record to the finished message of `size` octets in `buffer`, and returns the new size; 0 when
  // there is no room. After failure it is the error's record (RFC 8945, 5.3.2). From the second message on,
  // what is signed continues the one before (5.3.1).
  std::size_t sign(std::span<std::uint8_t> buffer, std::size_t size, std::uint64_t now_s);

  // --- of who asks ---

  // The same for a request of our own.
  std::size_t sign_request(const Key& key, std::span<std::uint8_t> buffer, std::size_t size,
                           std::uint64_t now_s);

  // Whether `message` is signed by the same key as the request was. Of an error, error() is what the reply
  // says, signed or not: to be told to a person, not to be trusted.
  bool verify_reply(Bytes message, std::uint64_t now_s);

 private:
  struct Record;
  struct Variables;
  static bool read(Bytes message, std::size_t at, Record& record);
  Error check(const Record& record, Bytes message, std::size_t at, std::uint64_t now_s) const;
  Mac digest(Bytes header, Bytes body, const Variables& variables, bool timers_only) const;
  void append(std::span<std::uint8_t> buffer, std::size_t size, const Variables& variables,
              const Mac& mac) const;

  const Key* key_ = nullptr;  // null: not known
  Error error_ = Error::none;
  bool continues_ = false;  // a message of this exchange has been signed
  Mac prior_;               // the MAC of the message before: the request's, then those of our replies
  std::uint64_t peer_time_ = 0;
  wire::LookupName owner_, algorithm_;  // as the request had them
};

}  // namespace sluice::tsig
