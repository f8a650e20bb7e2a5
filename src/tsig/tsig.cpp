#include "tsig/tsig.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

namespace sluice::tsig {
namespace {

using wire::RrClass;
using wire::RrType;

constexpr std::size_t record_fixed = 10;   // type, class, TTL, rdlength
constexpr std::size_t time_size = 6;       // of a time in seconds
constexpr std::size_t rdata_fixed = 16;    // of the rdata, without algorithm, MAC and other data
constexpr std::size_t truncated_min = 10;  // RFC 8945, 5.2.2.1
constexpr std::size_t arcount_at = 10;     // in the header

// RFC 8945, 6. MD5 is not among them: it must not be used.
struct AlgorithmRow {
  TsigAlgorithm algorithm;
  std::string_view name;  // wire form
  const char* digest;     // as OpenSSL calls it
  std::size_t mac_size;
};
constexpr std::array<AlgorithmRow, 5> algorithms{{
    {TsigAlgorithm::hmac_sha256, {"\13hmac-sha256", 13}, "SHA256", 32},
    {TsigAlgorithm::hmac_sha1, {"\11hmac-sha1", 11}, "SHA1", 20},
    {TsigAlgorithm::hmac_sha224, {"\13hmac-sha224", 13}, "SHA224", 28},
    {TsigAlgorithm::hmac_sha384, {"\13hmac-sha384", 13}, "SHA384", 48},
    {TsigAlgorithm::hmac_sha512, {"\13hmac-sha512", 13}, "SHA512", 64},
}};

const AlgorithmRow& row_of(TsigAlgorithm algorithm) {
  const auto& row = algorithms[static_cast<std::size_t>(algorithm)];
  assert(row.algorithm == algorithm);
  return row;
}

Bytes name_of(TsigAlgorithm algorithm) {
  const auto name = row_of(algorithm).name;
  return {reinterpret_cast<const std::uint8_t*>(name.data()), name.size()};
}

std::uint64_t read_time(Bytes bytes) {
  std::uint64_t time = 0;
  for (const auto octet : bytes.first(time_size)) time = time << 8 | octet;
  return time;
}

// Octets put one after the other into a buffer that is large enough.
class Writer {
 public:
  explicit Writer(std::span<std::uint8_t> buffer) : buffer_(buffer) {}

  void bytes(Bytes octets) {
    assert(octets.size() <= buffer_.size() - size_);
    if (!octets.empty()) std::memcpy(buffer_.data() + size_, octets.data(), octets.size());
    size_ += octets.size();
  }
  void number(std::uint64_t value, std::size_t octets) {
    assert(octets <= buffer_.size() - size_);
    for (; octets > 0; --octets) buffer_[size_++] = static_cast<std::uint8_t>(value >> (8 * (octets - 1)));
  }
  std::size_t size() const { return size_; }
  Bytes written() const { return buffer_.first(size_); }

 private:
  std::span<std::uint8_t> buffer_;
  std::size_t size_ = 0;
};

// Reads a name that may be compressed (RFC 1035, 4.1.4). Returns the octets that it takes at `at`, 0 when it
// is malformed. Pointers have to go back, so that there is an end.
std::size_t read_name(Bytes message, std::size_t at, wire::LookupName& name) {
  std::array<std::uint8_t, wire::name_size_max> octets;
  Writer expanded(octets);
  std::size_t taken = 0, lowest = at;
  for (std::size_t from = at; from < message.size();) {
    const std::uint8_t length = message[from];
    if ((length & 0xC0) == 0xC0) {
      if (message.size() - from < 2) return 0;
      if (taken == 0) taken = from + 2 - at;
      from = static_cast<std::size_t>(length & 0x3F) << 8 | message[from + 1];
      if (from >= lowest || from < wire::header_size) return 0;
      lowest = from;
      continue;
    }
    const std::size_t size = 1U + length;
    if (length > wire::label_size_max || size > message.size() - from ||
        size > octets.size() - expanded.size())
      return 0;
    expanded.bytes(message.subspan(from, size));
    from += size;
    if (length > 0) continue;
    if (taken == 0) taken = from - at;
    return name.assign(expanded.written()) == 0 ? 0 : taken;
  }
  return 0;
}

// The octets of a name without following where it points to; 0 when it has no end.
std::size_t skip_name(Bytes message, std::size_t at) {
  for (std::size_t from = at; from < message.size(); from += 1U + message[from]) {
    if (message[from] == 0) return from + 1 - at;
    if (message[from] > wire::label_size_max) return from + 2 - at;
  }
  return 0;
}

// Where the last record begins when that is a TSIG record; 0 otherwise.
std::size_t locate(Bytes message) {
  if (message.size() < wire::header_size || wire::read_u16(message, arcount_at) == 0) return 0;
  const unsigned questions = wire::read_u16(message, 4);
  const unsigned records =
      unsigned{wire::read_u16(message, 6)} + wire::read_u16(message, 8) + wire::read_u16(message, arcount_at);
  std::size_t at = wire::header_size;
  for (unsigned entry = 0; entry < questions + records; ++entry) {
    const std::size_t owner_size = skip_name(message, at);
    const std::size_t fixed = entry < questions ? 4 : record_fixed;
    if (owner_size == 0 || at + owner_size + fixed > message.size()) return 0;
    const std::size_t begin = at, type_at = at + owner_size;
    at = type_at + fixed + (entry < questions ? 0 : wire::read_u16(message, type_at + 8));
    if (entry + 1 == questions + records)
      return static_cast<RrType>(wire::read_u16(message, type_at)) == RrType::tsig ? begin : 0;
  }
  return 0;
}

// RFC 8945, 5.3.2: who could not be recognised gets an error without a MAC.
bool is_unsigned(Error error) { return error == Error::badkey || error == Error::badsig; }

}  // namespace

// --- keys ---

struct Key::Context {
  EVP_MAC* algorithm = nullptr;
  EVP_MAC_CTX* context = nullptr;

  Context() = default;
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() {
    EVP_MAC_CTX_free(context);
    EVP_MAC_free(algorithm);
  }
};

Key::Key(wire::Name name, TsigAlgorithm algorithm, Bytes secret)
    : name_(std::move(name)), algorithm_(algorithm) {
  auto context = std::make_shared<Context>();
  std::string digest = row_of(algorithm).digest;
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), digest.size()),
      OSSL_PARAM_construct_end()};
  context->algorithm = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  if (context->algorithm != nullptr) context->context = EVP_MAC_CTX_new(context->algorithm);
  if (context->context == nullptr ||
      EVP_MAC_init(context->context, secret.data(), secret.size(), parameters) != 1)
    throw std::runtime_error("OpenSSL has no HMAC with " + digest);
  context_ = std::move(context);
}

Mac Key::mac(std::span<const Bytes> parts) const {
  const std::unique_ptr<EVP_MAC_CTX, decltype(&EVP_MAC_CTX_free)> context(EVP_MAC_CTX_dup(context_->context),
                                                                          &EVP_MAC_CTX_free);
  Mac mac;
  bool done = context != nullptr;
  for (const Bytes part : parts) done = done && EVP_MAC_update(context.get(), part.data(), part.size()) == 1;
  if (!done || EVP_MAC_final(context.get(), mac.octets.data(), &mac.size, mac.octets.size()) != 1)
    mac.size = 0;
  return mac;
}

Keyring::Keyring(std::vector<Key> keys) : keys_(std::move(keys)) {
  std::sort(keys_.begin(), keys_.end(), [](const Key& a, const Key& b) {
    return std::ranges::lexicographical_compare(a.name().wire(), b.name().wire());
  });
}

const Key* Keyring::find(Bytes name) const {
  const auto found = std::lower_bound(keys_.begin(), keys_.end(), name, [](const Key& key, Bytes wanted) {
    return std::ranges::lexicographical_compare(key.name().wire(), wanted);
  });
  return found != keys_.end() && std::ranges::equal(found->name().wire(), name) ? &*found : nullptr;
}

// --- reading ---

struct Session::Record {
  wire::LookupName owner, algorithm;
  std::uint64_t time = 0;
  std::uint16_t fudge = 0;
  Bytes mac, original_id;
  std::uint16_t error = 0;
  Bytes other;
};

// RFC 8945, 4.2. All of the message from `at` on has to be the record.
bool Session::read(Bytes message, std::size_t at, Record& record) {
  const std::size_t owner_size = read_name(message, at, record.owner);
  std::size_t from = at + owner_size;
  if (owner_size == 0 || message.size() - from < record_fixed) return false;
  if (static_cast<RrType>(wire::read_u16(message, from)) != RrType::tsig) return false;
  const bool any_class = static_cast<RrClass>(wire::read_u16(message, from + 2)) == RrClass::any;
  const bool no_ttl = wire::read_u16(message, from + 4) == 0 && wire::read_u16(message, from + 6) == 0;
  const std::size_t rdata_size = wire::read_u16(message, from + 8);
  from += record_fixed;
  if (!any_class || !no_ttl || rdata_size != message.size() - from) return false;

  const std::size_t algorithm_size = read_name(message, from, record.algorithm);
  if (algorithm_size == 0 || rdata_size < algorithm_size + rdata_fixed) return false;
  const Bytes rest = message.subspan(from + algorithm_size);
  record.time = read_time(rest);
  record.fudge = wire::read_u16(rest, time_size);
  const std::size_t mac_size = wire::read_u16(rest, 8);
  if (mac_size > rest.size() - rdata_fixed) return false;
  record.mac = rest.subspan(10, mac_size);
  const Bytes end = rest.subspan(10 + mac_size);
  record.original_id = end.first(2);
  record.error = wire::read_u16(end, 2);
  record.other = end.subspan(6);
  return wire::read_u16(end, 4) == record.other.size();
}

// What is signed besides the message (RFC 8945, 4.3.3).
struct Session::Variables {
  Bytes owner, algorithm;
  std::uint64_t time = 0;
  std::uint16_t fudge = fudge_s;
  std::uint16_t error = 0;
  Bytes other;
};

// RFC 8945, 4.3: the MAC before, the message, the variables; of these only the timers where the message
// continues others (5.3.1).
Mac Session::digest(Bytes header, Bytes body, const Variables& variables, bool timers_only) const {
  std::array<std::uint8_t, 2 * wire::name_size_max + 32> octets;
  Writer out(octets);
  if (!timers_only) {
    out.bytes(variables.owner);
    out.number(static_cast<std::uint16_t>(RrClass::any), 2);
    out.number(0, 4);  // TTL
    out.bytes(variables.algorithm);
  }
  out.number(variables.time, time_size);
  out.number(variables.fudge, 2);
  if (!timers_only) {
    out.number(variables.error, 2);
    out.number(variables.other.size(), 2);
  }
  const std::uint8_t prior_size[] = {0, static_cast<std::uint8_t>(prior_.size)};
  const Bytes parts[] = {
      prior_.size > 0 ? Bytes(prior_size) : Bytes(), prior_.bytes(), header, body, out.written(),
      timers_only ? Bytes() : variables.other};
  return key_->mac(parts);
}

// The order of checks is RFC 8945's, 5.2: signature, time, truncation.
Error Session::check(const Record& record, Bytes message, std::size_t at, std::uint64_t now_s) const {
  std::array<std::uint8_t, wire::header_size> header;  // as it was before the record was added
  Writer out(header);
  out.bytes(record.original_id);
  out.bytes(message.subspan(2, arcount_at - 2));
  out.number(wire::read_u16(message, arcount_at) - 1U, 2);
  const Variables variables{.owner = record.owner.wire(),
                            .algorithm = record.algorithm.wire(),
                            .time = record.time,
                            .fudge = record.fudge,
                            .error = record.error,
                            .other = record.other};
  const Mac mac = digest(header, message.subspan(header.size(), at - header.size()), variables, false);
  if (record.mac.size() > mac.size ||
      CRYPTO_memcmp(mac.octets.data(), record.mac.data(), record.mac.size()) != 0)
    return Error::badsig;
  const std::uint64_t apart = now_s > record.time ? now_s - record.time : record.time - now_s;
  if (apart > record.fudge) return Error::badtime;
  // Whether a part of a MAC is good enough is each side's policy (5.2.4). Nothing here says of a key that it
  // is.
  return record.mac.size() < mac.size ? Error::badtrunc : Error::none;
}

Verdict Session::verify(const Keyring& keys, Bytes message, std::size_t at, std::uint64_t now_s) {
  key_ = nullptr;
  error_ = Error::badkey;
  continues_ = false;
  prior_.size = 0;
  Record record;
  if (!read(message, at, record)) return Verdict::malformed;
  owner_ = record.owner;
  algorithm_ = record.algorithm;
  peer_time_ = record.time;
  key_ = keys.find(record.owner.wire());
  // 5.2.1: a key is its name, its secret and its algorithm.
  if (key_ != nullptr && !std::ranges::equal(record.algorithm.wire(), name_of(key_->algorithm())))
    key_ = nullptr;
  if (key_ == nullptr) return Verdict::failed;
  // 5.2.2.1: such sizes must not occur, whatever the policy.
  const std::size_t full = row_of(key_->algorithm()).mac_size;
  if (record.mac.size() > full || record.mac.size() < std::max(truncated_min, full / 2))
    return Verdict::malformed;
  error_ = check(record, message, at, now_s);
  prior_.size = record.mac.size();
  std::copy(record.mac.begin(), record.mac.end(), prior_.octets.begin());
  return error_ == Error::none ? Verdict::valid : Verdict::failed;
}

bool Session::verify_reply(Bytes message, std::uint64_t now_s) {
  const std::size_t at = locate(message);
  Record record;
  if (at == 0 || !read(message, at, record)) return false;
  error_ = static_cast<Error>(record.error);
  const bool same_key = std::ranges::equal(record.owner.wire(), key_->name().wire()) &&
                        std::ranges::equal(record.algorithm.wire(), name_of(key_->algorithm()));
  // Of us nobody can expect that we take a part of a MAC: we asked with all of it (5.2.2.1).
  const bool whole = record.mac.size() == row_of(key_->algorithm()).mac_size;
  return same_key && whole && check(record, message, at, now_s) == Error::none && error_ == Error::none;
}

// --- writing ---

std::size_t Session::record_size() const {
  const std::size_t mac_size = is_unsigned(error_) ? 0 : row_of(key_->algorithm()).mac_size;
  return owner_.wire().size() + record_fixed + algorithm_.wire().size() + rdata_fixed + mac_size +
         (error_ == Error::badtime ? time_size : 0);
}

std::size_t Session::sign(std::span<std::uint8_t> buffer, std::size_t size, std::uint64_t now_s) {
  if (record_size() > buffer.size() - size) return 0;
  std::array<std::uint8_t, time_size> our_time;
  Writer(our_time).number(now_s, time_size);
  // 5.2.3: for BADTIME the client's time is signed, and ours is in the other data.
  const Variables variables{.owner = owner_.wire(),
                            .algorithm = algorithm_.wire(),
                            .time = error_ == Error::none ? now_s : peer_time_,
                            .error = static_cast<std::uint16_t>(error_),
                            .other = error_ == Error::badtime ? Bytes(our_time) : Bytes()};
  Mac mac;
  if (!is_unsigned(error_)) {
    mac = digest(buffer.first(size), {}, variables, continues_);
    if (mac.size == 0) return 0;
    prior_ = mac;
    continues_ = true;
  }
  append(buffer, size, variables, mac);
  return size + record_size();
}

// The record behind the message, and its place in the header's count.
void Session::append(std::span<std::uint8_t> buffer, std::size_t size, const Variables& variables,
                     const Mac& mac) const {
  Writer record(buffer.subspan(size));
  record.bytes(variables.owner);
  record.number(static_cast<std::uint16_t>(RrType::tsig), 2);
  record.number(static_cast<std::uint16_t>(RrClass::any), 2);
  record.number(0, 4);  // TTL
  record.number(variables.algorithm.size() + rdata_fixed + mac.size + variables.other.size(), 2);
  record.bytes(variables.algorithm);
  record.number(variables.time, time_size);
  record.number(variables.fudge, 2);
  record.number(mac.size, 2);
  record.bytes(mac.bytes());
  record.bytes(buffer.first(2));  // the original id
  record.number(variables.error, 2);
  record.number(variables.other.size(), 2);
  record.bytes(variables.other);
  Writer(buffer.subspan(arcount_at)).number(wire::read_u16(buffer, arcount_at) + 1U, 2);
}

std::size_t Session::sign_request(const Key& key, std::span<std::uint8_t> buffer, std::size_t size,
                                  std::uint64_t now_s) {
  key_ = &key;
  error_ = Error::none;
  continues_ = false;
  prior_.size = 0;
  owner_.assign(key.name().wire());
  algorithm_.assign(name_of(key.algorithm()));
  const std::size_t signed_size = sign(buffer, size, now_s);
  continues_ = false;  // of the replies, the first one is the first
  return signed_size;
}

}  // namespace sluice::tsig
