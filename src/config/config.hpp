// The checked configuration: what sluice.toml says, as values that need no further checking.
//
// A key is declared once, as a row of the schema (schema.hpp); the row feeds the parser, the unknown-key
// error, the reference and `sluicectl config explain`.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.hpp"
#include "base/clock.hpp"
#include "base/diagnostic.hpp"
#include "wire/destination.hpp"
#include "wire/name.hpp"

namespace sluice::config {

struct Server {
  std::vector<SocketAddress> listen;
  std::vector<Position> listen_at;  // of each entry of `listen`
  unsigned workers = 0;             // for each listen address; 0: one per core
  std::string state;                // folder; absolute, or relative to the working directory
  std::string user;                 // empty: stay who we are
  std::string identity, version;    // told to who asks (NSID, class CH); empty: not told
};

enum class CookieMode : std::uint8_t { off, on, required };

struct Cookies {
  CookieMode mode = CookieMode::on;
  std::string secrets;  // path, resolved like Server::state; empty: secrets of our own making
  Position secrets_at;  // of its value
};

// Of replies over UDP.
struct RateLimit {
  unsigned responses_per_second = 200;  // to each prefix
  unsigned slip = 2;  // every so many of those over the limit is an empty reply with TC; 0: none is
  std::uint8_t prefix_v4 = 24, prefix_v6 = 56;
  std::vector<Prefix> exempt;
  friend bool operator==(const RateLimit&, const RateLimit&) = default;
};

struct Admin {
  std::string socket;                 // path, resolved like Server::state
  std::optional<SocketAddress> http;  // none: no TCP listener
  Position http_at;                   // of its value
};

// Who may have a zone's transfer: who meets all that is given.
struct TransferRule {
  std::optional<Prefix> address;
  std::optional<wire::Name> key;  // of a Key
  Position key_at;
};

// Whom a zone's NOTIFY goes to.
struct NotifyTarget {
  SocketAddress address;
  std::optional<wire::Name> key;  // of a Key; none: not signed
  Position key_at;
};

// Of TCP and, by itself, of DNS over TLS.
struct Tcp {
  unsigned connections = 10'000;
  unsigned client_connections = 100;  // of one IPv4 address or IPv6 /64
  Duration idle{10'000};
  friend bool operator==(const Tcp&, const Tcp&) = default;
};

// DNS over TLS.
struct Tls {
  std::vector<SocketAddress> listen;
  std::vector<Position> listen_at;  // of each entry of `listen`
  std::string certificate, key;     // paths, resolved like Server::state
  Position certificate_at, key_at;  // of their values
};

struct Zone {
  wire::Name apex;
  std::string file;                    // path, resolved like Server::state
  Position at;                         // of the value of its `file` key
  std::vector<TransferRule> transfer;  // any of them; empty: nobody
  std::vector<NotifyTarget> notify;    // no address twice
};

// A secret that we share with other servers (RFC 8945). Never shown.
struct Key {
  wire::Name name;
  wire::TsigAlgorithm algorithm{};
  std::vector<std::uint8_t> secret;
  std::string secret_file;  // path, resolved like Server::state; empty: the secret stands in the config
  Position secret_file_at;  // of its value
};

enum class CheckType : std::uint8_t { tcp, http };

struct StatusRange {
  std::uint16_t first = 200, last = 299;
  friend bool operator==(const StatusRange&, const StatusRange&) = default;
};

struct Check {
  std::string name;
  CheckType type = CheckType::tcp;
  Duration interval{}, timeout{};
  unsigned rise = 0, fall = 0;
  std::uint16_t port = 0;
  std::string path;                 // http
  std::string host;                 // http: the Host field; empty: the endpoint's address
  std::vector<StatusRange> expect;  // http
  friend bool operator==(const Check&, const Check&) = default;
};

struct Endpoint {
  wire::Destination destination;
  double weight = 1;
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

struct Pool {
  std::string name;
  std::optional<std::string> check;  // none: always taken as healthy
  std::vector<Endpoint> endpoints;   // at least one; none twice; all addresses, or all hosts

  bool has_hosts() const { return endpoints.front().destination.is_host(); }
};

enum class Method : std::uint8_t { random, sticky };

struct PoolWeight {
  std::string pool;
  double weight = 0;
};

struct Steer {
  wire::Name name;
  std::vector<PoolWeight> pools;  // in the file's order; at least one weight is above 0
  Duration ttl{};                 // whole seconds
  unsigned answers = 1;
  Method method = Method::random;
  std::uint8_t subnet_v4 = 24, subnet_v6 = 56;  // prefix lengths at which a Client Subnet is told apart
  bool to_hosts = false;                        // what its pools have: answers are CNAMEs, not addresses
  Position at;                                  // of the name
};

struct Config {
  std::string file;  // as given
  Server server;
  Admin admin;
  Cookies cookies;
  std::optional<RateLimit> rate_limit;  // none: no limit
  Tcp tcp;
  std::optional<Tls> tls;  // none: not served over TLS
  std::vector<Zone> zones;
  std::vector<Key> keys;
  std::vector<Check> checks;
  std::vector<Pool> pools;
  std::vector<Steer> steers;

  // Null when there is none. These and the next two need index().
  const Check* find_check(std::string_view name) const;
  const Pool* find_pool(std::string_view name) const;
  const Steer* find_steer(const wire::Name& name) const;

  // The zone with the longest apex at or above `name`; null when there is none.
  const Zone* zone_of(const wire::Name& name) const;

  // The pools that have this endpoint, in the file's order.
  std::vector<const Pool*> pools_with(const wire::Destination& destination) const;

  // To be called when one of the vectors was changed; load() has done so.
  void index();

 private:
  // Positions in the vectors, in the order of what they are looked up by: there may be 100,000 steers.
  using Order = std::vector<std::uint32_t>;
  struct PoolPlace {
    std::uint32_t pool, endpoint;
  };
  const wire::Destination& destination_at(PoolPlace place) const {
    return pools[place.pool].endpoints[place.endpoint].destination;
  }
  Order checks_by_name_, pools_by_name_, steers_by_name_, zones_by_apex_;
  std::vector<PoolPlace> endpoints_by_destination_;  // and then by pool
};

struct LoadResult {
  std::optional<Config> config;  // none when there are errors
  Diagnostics errors;            // all of them; a TOML syntax error hides what follows it
  Config draft;                  // with errors: what could be read, to look for more errors in its zones
};

// Reads and checks a file: everything that can be known without opening zones or sockets.
LoadResult load(const std::string& file);

// The same from text; paths in it are taken relative to the folder of `file`.
LoadResult load_text(std::string_view text, const std::string& file);

// What weights may be, wherever they come from: each finite and not negative, not all of them 0.
Result<void> check_weights(std::span<const PoolWeight> weights);

// The reference of one key ("check.interval") or of all keys that begin with it ("check", ""): type, default,
// bounds, unit, meaning. Empty when nothing matches.
std::string explain(std::string_view key);

// The key that comes nearest to a mistyped one; for the error of `config explain`.
std::optional<std::string> nearest_key(std::string_view key);

}  // namespace sluice::config
