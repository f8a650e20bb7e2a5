// The checked configuration: what sluice.toml says, as values that need no further checking.
//
// A key is declared once, as a row of the schema (schema.hpp); the row feeds the parser, the unknown-key
// error, the reference and `sluicectl config explain`.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/address.hpp"
#include "base/clock.hpp"
#include "base/diagnostic.hpp"
#include "config/freeze.hpp"
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

enum class CheckType : std::uint8_t { tcp, http, https, agent, push, exec, none };

struct StatusRange {
  std::uint16_t first = 200, last = 299;
  friend bool operator==(const StatusRange&, const StatusRange&) = default;
};

struct HeaderField {
  std::string name, value;
  friend bool operator==(const HeaderField&, const HeaderField&) = default;
};

// A text that its copies share: there may be as many as there are endpoints. Compared by what it says.
class SharedText {
 public:
  SharedText() = default;
  explicit SharedText(std::string text) : text_(std::make_shared<const std::string>(std::move(text))) {}

  const std::string& text() const {
    static const std::string empty;
    return text_ ? *text_ : empty;
  }
  friend bool operator==(const SharedText& a, const SharedText& b) {
    return a.text_ == b.text_ || a.text() == b.text();
  }

 private:
  std::shared_ptr<const std::string> text_;
};

// Where a value stands in the file. Two checks are no different for it.
struct Whereabouts : Position {
  Whereabouts(Position at = {}) : Position(at) {}
  friend bool operator==(const Whereabouts&, const Whereabouts&) { return true; }
};

struct Check {
  std::string name;
  CheckType type = CheckType::tcp;
  Duration interval{}, timeout{};

  // What results mean (health::Rules).
  unsigned rise = 0, fall = 0, clear = 0;
  Duration hold_down{}, hold_down_max{}, slow_start{};
  std::optional<Duration> slow;
  double degraded_share = 0.5;

  std::uint16_t port = 0;                    // 0: none (exec may have none)
  std::optional<wire::Destination> address;  // of what is asked instead of the endpoint; all but push

  // http, https
  std::string method, path;
  std::string host;  // the Host field; empty: the endpoint's address
  std::vector<HeaderField> headers;
  std::vector<StatusRange> expect;
  std::string body;        // has to occur in the response's body; empty: anything will do
  std::string body_regex;  // the same, as a regular expression

  // https
  bool verify = true;
  std::string ca;  // path, resolved like Server::state; empty: the system's
  Whereabouts ca_at;
  SharedText authorities;  // what stands in `ca`: certificates, PEM
  std::string sni;         // empty: the Host field's name

  std::vector<std::string> command;  // exec: the absolute path of a program, and its arguments
  Duration expiry{};                 // push: how long a report holds
  std::string token;  // push: who reports over TCP has to know it; empty: over the socket alone. Never shown
  std::string token_file;  // path, resolved like Server::state; empty: the token stands in the config
  Whereabouts token_file_at;

  friend bool operator==(const Check&, const Check&) = default;
};

// A web server that is asked something. A base, as these are keys of sections of several kinds.
struct WebServer {
  std::string url;  // parse_url() takes it
  std::vector<HeaderField> headers;
  std::string ca;  // as a check's
  Position ca_at;
  SharedText authorities;
};

// One that is told something, and by whom.
struct SignedServer : WebServer {
  std::string secret;       // to sign with; empty: not signed. Never shown
  std::string secret_file;  // path, resolved like Server::state; empty: the secret stands in the config
  Position secret_file_at;
};

enum class AnalysisType : std::uint8_t { prometheus, exec, webhook, probes };

// In the queries of an analysis, for the pool that grows, the others with a share (joined by "|"), and the
// name.
inline constexpr std::string_view pool_placeholder = "{pool}", old_placeholder = "{old}",
                                  name_placeholder = "{name}";

// What a rollout is watched by while a step holds.
struct Analysis : WebServer {  // a server for prometheus and webhook
  std::string name;
  AnalysisType type = AnalysisType::prometheus;
  Duration interval{}, timeout{};
  unsigned failures_max = 1, errors_max = 3, successes_min = 1;

  // prometheus
  std::string query, samples;  // with placeholders; no `samples`: they are not counted
  std::optional<double> min, max;
  bool relative_to_old = false;

  std::vector<std::string> command;  // exec: the absolute path of a program, and its arguments
  double samples_min = 0;            // prometheus, probes; 0: not counted

  // probes: of the new pool, as times the old pools' ones
  double success_min = 0;
  std::optional<double> latency_max;
};

// Who is told what happens, by a POST for each event.
struct Receiver : SignedServer {
  std::string name;
  std::vector<std::string> events;  // kinds, such as "rollout.step"; with a final "*": all that begin so
  Duration timeout{};
  Duration retry_max{}, retry_for{};  // the longest pause between two attempts; how long it is tried
  unsigned queue = 1000;              // events that wait
};

// Where a rolling upgrade has its work done, when more is to be said of that than a URL.
struct Hook : SignedServer {
  std::string name;
};

// What a rollout is started with where its command says nothing else. What is not given has the command's own
// default.
struct Preset {
  std::string name;
  std::vector<double> steps;            // shares in percent, ascending; empty: not given
  std::optional<double> linear;         // of 1
  std::optional<unsigned> exponential;  // of these three, one at most is given
  std::optional<Duration> hold, ttl, grace;
  bool gates = false;
  std::vector<std::string> analysis;  // names of [analysis.NAME]
};

// What changes of a name's weights, and of endpoints that it hands out, are held against; and when there are
// none.
struct Safety {
  double step_max = 1;  // by which the share of one pool grows in one change
  unsigned pools_min = 0, endpoints_min = 0;
  double capacity_min = 0;  // part of a pool's weight that is healthy
  std::vector<FreezeWindow> freeze;
  friend bool operator==(const Safety&, const Safety&) = default;
};

struct Endpoint {
  wire::Destination destination;
  double weight = 1;
  // What is probed in its stead.
  std::optional<wire::Destination> check_address{};  // none: the check's, or the endpoint
  std::uint16_t check_port = 0;                      // 0: the check's
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

// What becomes of a pool's share while less than `min_healthy` of its weight is healthy.
enum class FailOpen : std::uint8_t {
  others,  // it goes to the steer's other pools, as far as they may take it
  all,     // it stays: all endpoints of the pool are handed out
};

struct Pool {
  std::string name;
  std::optional<std::string> check;  // none: always taken as healthy
  std::vector<Endpoint> endpoints;   // at least one; none twice; all addresses, or all hosts
  double min_healthy = 0;            // part of its weight; 0: one endpoint is enough
  FailOpen fail_open = FailOpen::others;
  double max_share = 1;  // of a name's answers, when it takes over from others

  bool has_hosts() const { return endpoints.front().destination.is_host(); }
};

// Clients that steers may lead to a pool whatever its share.
struct ClientClass {
  std::string name;
  std::vector<Prefix> prefixes;  // none twice, in all classes
};

// Prefixes of all classes together: a look at them is a search over so many.
inline constexpr std::size_t class_prefixes_max = 4096;

// Where a steer leads a class.
struct ClassRoute {
  std::string client_class, pool;
  friend bool operator==(const ClassRoute&, const ClassRoute&) = default;
};

enum class Method : std::uint8_t { random, sticky };

struct PoolWeight {
  std::string pool;
  double weight = 0;
};

struct Steer {
  wire::Name name;
  std::vector<PoolWeight> pools;  // in the file's order, then the other standby pools; some weight is above 0
  std::vector<std::string> standby;  // of those; used while at 0, when the others cannot take all
  std::vector<ClassRoute> routes;    // in the order of Config::classes; of each one at most, to those pools
  double overflow = 10;              // no more times its own share for a pool that takes over; 0: no limit
  Duration ttl{}, ttl_min{};         // whole seconds; ttl_min is at most ttl
  unsigned answers = 1;
  Method method = Method::random;
  std::uint8_t subnet_v4 = 24, subnet_v6 = 56;  // prefix lengths at which a Client Subnet is told apart
  bool to_hosts = false;                        // what its pools have: answers are CNAMEs, not addresses
  std::string rollout;                          // the Preset of its rollouts; empty: none
  Safety safety;                                // its own, and for the rest that of Config
  Position at;                                  // of the name
  bool preview = false;                         // has a preview name: another Steer
  // Of a preview name: the name whose idle side it is answered from. None of its pools has a weight.
  std::optional<wire::Name> preview_of;

  // In `pools`.
  std::optional<std::size_t> place_of(std::string_view pool) const;
  std::vector<std::string> pool_names() const;
  Duration fitting_ttl(Duration wanted) const;  // within ttl_min and ttl
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
  std::vector<Analysis> analyses;
  std::vector<Receiver> receivers;
  std::vector<Hook> hooks;
  std::vector<Preset> presets;
  Safety safety;  // of steers that have none of their own
  std::vector<Pool> pools;
  std::vector<ClientClass> classes;
  std::vector<Steer> steers;  // in the order of the file, and then the preview names of those that have one

  // Null when there is none. These and the next two need index().
  const Check* find_check(std::string_view name) const;
  const Analysis* find_analysis(std::string_view name) const;
  const Hook* find_hook(std::string_view name) const;
  const Preset* find_preset(std::string_view name) const;
  const Pool* find_pool(std::string_view name) const;
  const ClientClass* find_class(std::string_view name) const;
  const Steer* find_steer(const wire::Name& name) const;
  const Steer* find_preview(const Steer& steer) const;

  // The zone with the longest apex at or above `name`; null when there is none.
  const Zone* zone_of(const wire::Name& name) const;

  // The pools that have this endpoint, in the file's order.
  std::vector<const Pool*> pools_with(const wire::Destination& destination) const;

  // To be called when one of the vectors was changed; load() has done so.
  void index();

 private:
  // Positions in the vectors, in the order of what they are looked up by: there may be 100,000 steers.
  using Order = std::vector<std::uint32_t>;
  static constexpr std::uint32_t no_steer = 0xFFFF'FFFF;
  std::size_t slot_of(const wire::Name& name) const;  // its own, or the empty one where it would stand
  struct PoolPlace {
    std::uint32_t pool, endpoint;
  };
  const wire::Destination& destination_at(PoolPlace place) const {
    return pools[place.pool].endpoints[place.endpoint].destination;
  }
  Order checks_by_name_, analyses_by_name_, hooks_by_name_, presets_by_name_, pools_by_name_,
      classes_by_name_, zones_by_apex_;
  // Positions in `steers` by the hash of their names, and `no_steer`: open addressing, at most half full.
  std::vector<std::uint32_t> steers_by_hash_;
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
