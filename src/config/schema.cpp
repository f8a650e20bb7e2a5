#include "config/schema.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/url.hpp"
#include "config/value.hpp"

namespace sluice::config {
namespace {

// --- where values land ---

template <class Owner, class Member>
Owner owner_of(Member Owner::*);

template <class T>
struct Unwrapped {
  using Type = T;
};
template <class T>
struct Unwrapped<std::optional<T>> {
  using Type = T;
};

// `Owner`: of the section, when it has the member from a base.
template <auto member, class Owner = decltype(owner_of(member))>
void set(Target target, Value&& value, Position) {
  auto& place = std::get<Owner*>(target)->*member;
  using Place = typename Unwrapped<std::remove_reference_t<decltype(place)>>::Type;
  if constexpr (std::is_enum_v<Place>)
    place = static_cast<Place>(std::get<Choice>(value).index);
  else if constexpr (std::is_integral_v<Place> && !std::is_same_v<Place, bool>)
    place = static_cast<Place>(std::get<std::int64_t>(value));
  else
    place = std::get<Place>(std::move(value));
}

// The same for a value whose place in the file is needed later.
template <auto member, auto position, class Owner = decltype(owner_of(member))>
void set_with_position(Target target, Value&& value, Position at) {
  set<member, Owner>(target, std::move(value), at);
  std::get<Owner*>(target)->*position = at;
}

template <class Owner>
void set_listeners(Target target, Value&& value, Position) {
  auto& owner = *std::get<Owner*>(target);
  for (const auto& [address, at] : std::get<std::vector<Located<SocketAddress>>>(value)) {
    owner.listen.push_back(address);
    owner.listen_at.push_back(at);
  }
}

template <auto member>
void set_safety(Target target, Value&& value, Position at) {
  set<member>(&std::get<Steer*>(target)->safety, std::move(value), at);
}

// --- what texts may be ---

std::string_view not_empty(std::string_view text) { return text.empty() ? "a text that is not empty" : ""; }

// RFC 1035, 3.3. NSID takes room from each reply that carries it, so that less than 255 octets are allowed.
std::string_view character_string(std::string_view text) {
  return text.size() <= 64 ? "" : "at most 64 octets";
}

// RFC 9112, 3.2.1: what a request line can carry unescaped; a fragment is never sent.
std::string_view request_path(std::string_view text) {
  if (!text.starts_with('/')) return "a path that begins with \"/\"";
  const bool fits =
      std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7F && c != '#'; });
  return fits ? "" : "a path without spaces, '#' and other characters than ASCII (write them as %XX)";
}

bool is_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc{} && end == text.data() + text.size() && port != 0;
}

// RFC 9110, 7.2: uri-host [":" port]. Of the host's characters only those that occur in names of hosts.
std::string_view host_field(std::string_view text) {
  constexpr std::string_view wanted = "a host such as \"shop.example\" or \"[2001:db8::1]:8080\"";
  std::string_view rest = text;
  if (text.starts_with('[')) {
    const auto bracket = text.find(']');
    const auto address = parse_address(text.substr(1, std::min(bracket, text.size()) - 1));
    if (bracket == std::string_view::npos || !address || address->family != Family::v6) return wanted;
    rest = text.substr(bracket + 1);
  } else {
    const auto end = std::find_if_not(text.begin(), text.end(), [](char c) {
      return is_letter(c) || is_digit(c) || c == '-' || c == '.' || c == '_';
    });
    if (end == text.begin()) return wanted;
    rest = text.substr(static_cast<std::size_t>(end - text.begin()));
  }
  return rest.empty() || (rest.starts_with(':') && is_port(rest.substr(1))) ? "" : wanted;
}

// RFC 9110, 9.1. CONNECT asks for a tunnel and not for a path.
std::string_view method_token(std::string_view text) {
  return is_token(text) && text != "CONNECT" ? "" : "a method such as \"GET\" or \"HEAD\"";
}

// What it compiles to has a bound of its own (Pattern); this one is for whoever has to read it.
std::string_view pattern_text(std::string_view text) {
  if (text.empty()) return "a regular expression that is not empty";
  return text.size() <= 1024 ? "" : "at most 1024 octets";
}

// A name and no address: those are not sent as SNI (RFC 6066, 3).
std::string_view server_name(std::string_view text) {
  const bool fits = host_field(text).empty() && text.find(':') == text.npos && !parse_address(text);
  return fits ? "" : "a host name such as \"www.shop.example\"";
}

std::string_view web_url(std::string_view text) {
  return parse_url(text) ? "" : "a URL such as \"http://127.0.0.1:9090\", without a user and a fragment";
}

// --- the rows ---

constexpr auto sections = std::to_array<SectionRow>({
    {Section::server, "server", "[server]", false, true,
     "The daemon itself: where it listens and where it keeps its state."},
    {Section::admin, "admin", "[admin]", false, false, "Where operators reach the daemon."},
    {Section::cookies, "cookies", "[cookies]", false, false,
     "DNS cookies (RFC 7873), by which clients over UDP show that they are who they say."},
    {Section::rate_limit, "rate_limit", "[rate_limit]", false, false,
     "Limits the replies over UDP to each prefix of clients, so that nobody can be flooded with them. "
     "Without this section there is no limit. Clients with a valid cookie, and TCP, have none."},
    {Section::tcp, "tcp", "[tcp]", false, false,
     "What clients may take of us over TCP and, counted apart, over TLS."},
    {Section::tls, "tls", "[tls]", false, false,
     "DNS over TLS (RFC 7858); without this section there is none."},
    {Section::zone, "zone", "[zone.\"NAME\"]", true, true,
     "A zone that we are authoritative for; NAME is its apex."},
    {Section::key, "key", "[key.\"NAME\"]", true, false,
     "A secret shared with other servers, by which messages are signed (TSIG, RFC 8945); NAME is the same "
     "there."},
    {Section::check, "check", "[check.NAME]", true, false,
     "How endpoints are probed; pools refer to it by NAME."},
    {Section::analysis, "analysis", "[analysis.NAME]", true, false,
     "What a rollout is watched by while a step holds, also at a gate and in a pause; `canary start` refers "
     "to "
     "it by NAME."},
    {Section::notify, "notify", "[notify.NAME]", true, false,
     "Who is told what happens and what was decided: each event is posted as JSON, in order, until it is "
     "answered with 2xx. It may come twice, after a crash or a lost answer; its `id` tells."},
    {Section::hook, "hook", "[hook.NAME]", true, false,
     "A web server that does the work of a rolling upgrade: `rolling start --hook-url NAME` posts JSON to it "
     "for each endpoint. What stands here is looked at when that is done."},
    {Section::rollout, "rollout", "[rollout.NAME]", true, false,
     "A preset: what `canary start` and `bluegreen switch` are given with `--preset NAME`, or for a name "
     "whose "
     "steer has `rollout = \"NAME\"`. What stands in the command itself wins, and a switch takes what it "
     "knows."},
    {Section::safety, "safety", "[safety]", false, false,
     "What every change of weights, by whomever, is held against, each step that a rollout takes by itself "
     "too, and endpoints that are taken out. A steer may have keys of its own. Going back (abort, undo) is "
     "always "
     "allowed."},
    {Section::pool, "pool", "[pool.NAME]", true, false,
     "Endpoints that serve the same version of a service; steers refer to it by NAME."},
    {Section::client_class, "class", "[class.NAME]", true, false,
     "Clients by their addresses, such as testers in-house; steers lead them to a pool by NAME."},
    {Section::steer, "steer", "[steer.\"NAME\"]", true, false,
     "A name whose addresses, or whose CNAME, we choose answer by answer. NAME is at or below the apex of a "
     "zone; \"*.NAME\" "
     "is a wildcard."},
});

constexpr std::array<std::string_view, 5> key_algorithms{"hmac-sha256", "hmac-sha1", "hmac-sha224",
                                                         "hmac-sha384", "hmac-sha512"};
constexpr std::array<std::string_view, 7> check_types{"tcp",  "http", "https", "agent",
                                                      "push", "exec", "none"};
constexpr std::array<std::string_view, 6> judged_types{"tcp", "http", "https", "agent", "push", "exec"};
constexpr std::array<std::string_view, 5> probed_types{"tcp", "http", "https", "agent", "exec"};
constexpr std::array<std::string_view, 2> http_types{"http", "https"};
constexpr std::array<std::string_view, 1> https_type{"https"};
constexpr std::array<std::string_view, 1> push_type{"push"};
constexpr std::array<std::string_view, 1> exec_type{"exec"};
constexpr std::array<std::string_view, 4> analysis_types{"prometheus", "exec", "webhook", "probes"};
constexpr std::array<std::string_view, 1> prometheus_type{"prometheus"};
constexpr std::array<std::string_view, 1> probes_type{"probes"};
constexpr std::array<std::string_view, 2> counting_types{"prometheus", "probes"};
constexpr std::array<std::string_view, 2> asking_types{"prometheus", "webhook"};
constexpr std::array<std::string_view, 3> waiting_types{"prometheus", "exec", "webhook"};
constexpr std::array<std::string_view, 2> methods{"random", "sticky"};
constexpr std::array<std::string_view, 1> methods_planned{"balanced"};

constexpr std::string_view authorities_doc =
    "The authorities that certificates are verified against, and no others: a PEM file. Read again at each "
    "reload.";

// --- keys that several sections have ---

using Types = std::span<const std::string_view>;

template <class Owner>
constexpr KeyRow headers_row(Section section, Types only_for = {}) {
  return {.section = section,
          .key = "headers",
          .type = Type::headers,
          .derived = "none but our own",
          .only_for = only_for,
          .doc = "Further header fields of the request, such as Authorization.",
          .set = set<&WebServer::headers, Owner>};
}

template <class Owner>
constexpr KeyRow ca_row(Section section, Types only_for = {}) {
  return {.section = section,
          .key = "ca",
          .type = Type::path,
          .derived = "the authorities that the system trusts",
          .only_for = only_for,
          .complaint = not_empty,
          .doc = authorities_doc,
          .set = set_with_position<&WebServer::ca, &WebServer::ca_at, Owner>};
}

template <class Owner>
constexpr KeyRow secret_row(Section section) {
  return {.section = section,
          .key = "secret",
          .type = Type::token,
          .derived = "what stands in secret_file, or none: requests are not signed",
          .doc =
              "What requests are signed with: the field Sluice-Signature is \"sha256=\" and the HMAC-SHA256 "
              "of "
              "the body in hexadecimal digits.",
          .set = set<&SignedServer::secret, Owner>};
}

template <class Owner>
constexpr KeyRow secret_file_row(Section section) {
  return {.section = section,
          .key = "secret_file",
          .type = Type::path,
          .derived = "none",
          .complaint = not_empty,
          .doc = "A file that holds the secret and nothing else.",
          .set = set_with_position<&SignedServer::secret_file, &SignedServer::secret_file_at, Owner>};
}

constexpr std::array<std::string_view, 2> fail_open_ways{"others", "all"};

constexpr std::array<std::string_view, 3> cookie_modes{"off", "on", "required"};

// The keys of [safety], which a steer may have, too.
constexpr KeyRow step_max_row{
    .section = Section::safety,
    .key = "step_max",
    .type = Type::percent,
    .fallback = "\"100%\"",
    .bounds = Bounds{"1%", "100%"},
    .doc =
        "By how much of all answers the share of one pool may grow in one change. Where it is less than "
        "100%, a switch at once is refused.",
    .set = set<&Safety::step_max>};
constexpr KeyRow pools_min_row{
    .section = Section::safety,
    .key = "pools_min",
    .type = Type::integer,
    .fallback = "0",
    .bounds = Bounds{"0", "4096"},
    .unit = "pools",
    .doc =
        "A change has to leave at least so many pools that have a share and a healthy endpoint, unless it "
        "leaves more of them than there were.",
    .set = set<&Safety::pools_min>};
constexpr KeyRow endpoints_min_row{
    .section = Section::safety,
    .key = "endpoints_min",
    .type = Type::integer,
    .fallback = "0",
    .bounds = Bounds{"0", "4096"},
    .unit = "endpoints",
    .doc =
        "A change has to leave at least so many healthy endpoints in the pools that have a share, unless it "
        "leaves more of them than there were.",
    .set = set<&Safety::endpoints_min>};
constexpr KeyRow capacity_min_row{
    .section = Section::safety,
    .key = "capacity_min",
    .type = Type::percent,
    .fallback = "\"0%\"",
    .bounds = Bounds{"0%", "100%"},
    .doc =
        "The part of a pool's weight that has to be healthy, and not taken out, for its share to grow; and "
        "that has to be left when one of its endpoints is drained or held down.",
    .set = set<&Safety::capacity_min>};
constexpr KeyRow freeze_row{
    .section = Section::safety,
    .key = "freeze",
    .type = Type::freeze,
    .derived = "none",
    .doc =
        "When, in UTC, no weights are changed, no rollout or rolling upgrade begins, and none takes its "
        "next step by itself. An operator may, with --override-freeze and a --reason. Endpoints may be "
        "drained and held down.",
    .set = set<&Safety::freeze>};

constexpr KeyRow of_steer(KeyRow row, void (*set)(Target, Value&&, Position)) {
  row.section = Section::steer;
  row.fallback = "";
  row.derived = "that of [safety]";
  row.set = set;
  return row;
}

constexpr auto keys = std::to_array<KeyRow>({
    {.section = Section::server,
     .key = "listen",
     .type = Type::listeners,
     .required = true,
     .doc = "The addresses and ports on which we answer queries, over UDP and TCP.",
     .set = set_listeners<Server>},
    {.section = Section::server,
     .key = "workers",
     .type = Type::integer,
     .fallback = "0",
     .bounds = Bounds{"0", "256"},
     .unit = "threads",
     .doc = "How many threads answer queries at each listen address; 0 is one per core.",
     .set = set<&Server::workers>},
    {.section = Section::server,
     .key = "state",
     .type = Type::path,
     .fallback = "\"state\"",
     .complaint = not_empty,
     .doc = "The folder for what has to survive a restart: weights and drains set at run time, events.",
     .set = set<&Server::state>},
    {.section = Section::server,
     .key = "user",
     .type = Type::text,
     .fallback = "\"\"",
     .doc = "The user that we become once all ports are bound, when started as root; \"\" changes nothing.",
     .set = set<&Server::user>},
    {.section = Section::server,
     .key = "identity",
     .type = Type::text,
     .fallback = "\"\"",
     .complaint = character_string,
     .doc = "Which server this is, for who asks by NSID or by id.server in class CH: up to 64 octets; \"\" "
            "tells nobody.",
     .set = set<&Server::identity>},
    {.section = Section::server,
     .key = "version",
     .type = Type::text,
     .fallback = "\"\"",
     .complaint = character_string,
     .doc = "What is told to who asks for version.bind or version.server in class CH: up to 64 octets; \"\" "
            "tells nobody.",
     .set = set<&Server::version>},

    {.section = Section::admin,
     .key = "socket",
     .type = Type::path,
     .derived = "admin.sock in the folder server.state",
     .complaint = not_empty,
     .doc = "The Unix socket through which sluicectl speaks to the daemon.",
     .set = set<&Admin::socket>},
    {.section = Section::admin,
     .key = "http",
     .type = Type::listener,
     .derived = "none: not served over TCP",
     .doc = "Where the API, the metrics and the dashboard are served over TCP, read-only.",
     .set = set_with_position<&Admin::http, &Admin::http_at>},

    {.section = Section::cookies,
     .key = "mode",
     .type = Type::choice,
     .fallback = "\"on\"",
     .choices = cookie_modes,
     .doc =
         "off: cookies are passed over. on: who sends one gets one. required: over UDP, who has none is sent "
         "to fetch one, or to TCP.",
     .set = set<&Cookies::mode>},
    {.section = Section::cookies,
     .key = "secrets",
     .type = Type::path,
     .derived = "a secret of our own making, changed every day",
     .complaint = not_empty,
     .doc =
         "A file of up to 3 secrets, each a line of 32 hexadecimal digits, for servers that share an "
         "address. "
         "The first makes cookies, all are accepted: add the new one below on all servers, then move it up.",
     .set = set_with_position<&Cookies::secrets, &Cookies::secrets_at>},

    {.section = Section::rate_limit,
     .key = "responses_per_second",
     .type = Type::integer,
     .fallback = "200",
     .bounds = Bounds{"1", "1000000"},
     .unit = "replies",
     .doc = "How many replies a prefix gets in a second; as many at once after it was quiet.",
     .set = set<&RateLimit::responses_per_second>},
    {.section = Section::rate_limit,
     .key = "slip",
     .type = Type::integer,
     .fallback = "2",
     .bounds = Bounds{"0", "100"},
     .unit = "replies",
     .doc = "Of the replies over the limit, one in so many is sent empty with TC, so that who really asked "
            "comes "
            "back over TCP; 0 sends none.",
     .set = set<&RateLimit::slip>},
    {.section = Section::rate_limit,
     .key = "prefix_v4",
     .type = Type::integer,
     .fallback = "24",
     .bounds = Bounds{"1", "32"},
     .unit = "bits",
     .doc = "The prefix length at which IPv4 clients are counted together.",
     .set = set<&RateLimit::prefix_v4>},
    {.section = Section::rate_limit,
     .key = "prefix_v6",
     .type = Type::integer,
     .fallback = "56",
     .bounds = Bounds{"1", "128"},
     .unit = "bits",
     .doc = "The prefix length at which IPv6 clients are counted together.",
     .set = set<&RateLimit::prefix_v6>},
    {.section = Section::rate_limit,
     .key = "exempt",
     .type = Type::prefixes,
     .derived = "none",
     .doc = "Prefixes of clients that have no limit.",
     .set = set<&RateLimit::exempt>},

    {.section = Section::tcp,
     .key = "connections",
     .type = Type::integer,
     .fallback = "10000",
     .bounds = Bounds{"1", "1000000"},
     .unit = "connections",
     .doc = "How many connections there may be; beyond that the one that is idle for longest is closed for a "
            "new "
            "one. The system's limit of open files may allow fewer.",
     .set = set<&Tcp::connections>},
    {.section = Section::tcp,
     .key = "client_connections",
     .type = Type::integer,
     .fallback = "100",
     .bounds = Bounds{"1", "1000000"},
     .unit = "connections",
     .doc = "How many connections one IPv4 address or one IPv6 /64 may have; more are refused.",
     .set = set<&Tcp::client_connections>},
    {.section = Section::tcp,
     .key = "idle",
     .type = Type::duration,
     .fallback = "\"10s\"",
     .bounds = Bounds{"100ms", "1h"},
     .doc = "How long a connection may be without a query before we close it; told to clients that ask (RFC "
            "7828).",
     .set = set<&Tcp::idle>},

    {.section = Section::tls,
     .key = "listen",
     .type = Type::listeners,
     .required = true,
     .doc = "The addresses and ports on which we answer queries over TLS; the port for it is 853.",
     .set = set_listeners<Tls>},
    {.section = Section::tls,
     .key = "certificate",
     .type = Type::path,
     .required = true,
     .complaint = not_empty,
     .doc =
         "The certificate that is shown to clients, with the chain above it, a PEM file. Read again at each "
         "reload.",
     .set = set_with_position<&Tls::certificate, &Tls::certificate_at>},
    {.section = Section::tls,
     .key = "key",
     .type = Type::path,
     .required = true,
     .complaint = not_empty,
     .doc = "The private key that goes with the certificate, a PEM file without a pass phrase; server.user "
            "has to "
            "be able to read it.",
     .set = set_with_position<&Tls::key, &Tls::key_at>},

    {.section = Section::zone,
     .key = "file",
     .type = Type::path,
     .required = true,
     .complaint = not_empty,
     .doc = "The zone's records, an RFC 1035 master file.",
     .set = set_with_position<&Zone::file, &Zone::at>},
    {.section = Section::zone,
     .key = "transfer",
     .type = Type::transfers,
     .derived = "none: nobody may",
     .doc = "Who may transfer the zone (AXFR, IXFR): an address or prefix, or a table with address, key or "
            "both; "
            "within a table all that is given has to hold, and one entry that holds is enough.",
     .set = set<&Zone::transfer>},
    {.section = Section::zone,
     .key = "notify",
     .type = Type::notifies,
     .derived = "none: nobody is told",
     .doc = "Whom we tell by NOTIFY that the zone has changed: addresses, with a port if it is not 53, or "
            "tables "
            "with address and the key to sign with.",
     .set = set<&Zone::notify>},

    {.section = Section::key,
     .key = "algorithm",
     .type = Type::choice,
     .fallback = "\"hmac-sha256\"",
     .choices = key_algorithms,
     .doc = "The hash that messages are signed with.",
     .set = set<&Key::algorithm>},
    {.section = Section::key,
     .key = "secret",
     .type = Type::secret,
     .derived = "what stands in secret_file; one of the two is needed",
     .doc = "The secret in base64. Whoever can read the config can sign with it.",
     .set = set<&Key::secret>},
    {.section = Section::key,
     .key = "secret_file",
     .type = Type::path,
     .derived = "none: the secret stands in the config",
     .complaint = not_empty,
     .doc = "A file that holds the secret in base64 and nothing else.",
     .set = set_with_position<&Key::secret_file, &Key::secret_file_at>},

    {.section = Section::check,
     .key = "type",
     .type = Type::choice,
     .required = true,
     .choices = check_types,
     .doc = "tcp: a connection is accepted. http, https: a request is answered with an expected status, and "
            "body if one is wanted. agent: a program beside the service says a line such as \"up\", \"75%\", "
            "\"drain\" or \"down\" (HAProxy's agent-check). push: the service reports to us. exec: a program "
            "ends with exit status 0. none: endpoints count as up, as in a pool without a check.",
     .set = set<&Check::type>},
    {.section = Section::check,
     .key = "interval",
     .type = Type::duration,
     .fallback = "\"2s\"",
     .bounds = Bounds{"100ms", "1h"},
     .only_for = judged_types,
     .doc = "The time from one probe of an endpoint to the next.",
     .set = set<&Check::interval>},
    {.section = Section::check,
     .key = "timeout",
     .type = Type::duration,
     .derived = "1s, or the interval when that is shorter",
     .bounds = Bounds{"10ms", "1m"},
     .only_for = probed_types,
     .doc = "How long a probe may take before it counts as a failure; not longer than the interval. Of it, "
            "connecting may take 5s.",
     .set = set<&Check::timeout>},
    {.section = Section::check,
     .key = "rise",
     .type = Type::integer,
     .fallback = "2",
     .bounds = Bounds{"1", "100"},
     .unit = "successes",
     .only_for = judged_types,
     .doc = "How many successes in a row bring an endpoint up.",
     .set = set<&Check::rise>},
    {.section = Section::check,
     .key = "fall",
     .type = Type::integer,
     .fallback = "3",
     .bounds = Bounds{"1", "100"},
     .unit = "failures",
     .only_for = judged_types,
     .doc = "How many failures take an endpoint down; they need not be in a row, see `clear`.",
     .set = set<&Check::fall>},
    {.section = Section::check,
     .key = "clear",
     .type = Type::integer,
     .derived = "twice `fall`",
     .bounds = Bounds{"1", "1000"},
     .unit = "successes",
     .only_for = judged_types,
     .doc = "How many successes in a row make earlier failures forgotten. So an endpoint that fails now and "
            "then "
            "goes down, too.",
     .set = set<&Check::clear>},
    {.section = Section::check,
     .key = "hold_down",
     .type = Type::duration,
     .fallback = "\"10s\"",
     .bounds = Bounds{"0s", "1d"},
     .only_for = judged_types,
     .doc =
         "How long an endpoint stays down at least after its second fall; twice as long after each further "
         "one, up to hold_down_max, which is no less. After its first fall `rise` successes are enough.",
     .set = set<&Check::hold_down>},
    {.section = Section::check,
     .key = "hold_down_max",
     .type = Type::duration,
     .fallback = "\"5m\"",
     .bounds = Bounds{"0s", "7d"},
     .only_for = judged_types,
     .doc = "The longest hold-down. An endpoint that was up for as long is as good as new.",
     .set = set<&Check::hold_down_max>},
    {.section = Section::check,
     .key = "slow_start",
     .type = Type::duration,
     .fallback = "\"0s\"",
     .bounds = Bounds{"0s", "1d"},
     .only_for = judged_types,
     .doc = "The time in which an endpoint's share climbs to all of its weight after it was down.",
     .set = set<&Check::slow_start>},
    {.section = Section::check,
     .key = "slow",
     .type = Type::duration,
     .derived = "none: time does not matter as long as it is in the timeout",
     .bounds = Bounds{"1ms", "1m"},
     .only_for = probed_types,
     .doc = "A probe that took longer is a slow one: after `fall` of them in a row the endpoint is degraded, "
            "until `rise` in a row were not slow. It is less than the timeout.",
     .set = set<&Check::slow>},
    {.section = Section::check,
     .key = "degraded_share",
     .type = Type::percent,
     .fallback = "\"50%\"",
     .bounds = Bounds{"1%", "100%"},
     .only_for = judged_types,
     .doc = "The part of its weight that a degraded endpoint gets.",
     .set = set<&Check::degraded_share>},
    {.section = Section::check,
     .key = "port",
     .type = Type::integer,
     .derived = "80 for http, 443 for https, none for exec; checks of type tcp and agent have to name one",
     .bounds = Bounds{"1", "65535"},
     .only_for = probed_types,
     .doc = "The TCP port that is probed. An endpoint may have one of its own (check_port). "
            "An exec check's program is told it.",
     .set = set<&Check::port>},
    {.section = Section::check,
     .key = "address",
     .type = Type::destination,
     .derived = "the endpoint",
     .only_for = probed_types,
     .doc =
         "What is asked in the endpoint's stead: an address or a host name. An endpoint may have one of its "
         "own (check_address).",
     .set = set<&Check::address>},
    {.section = Section::check,
     .key = "method",
     .type = Type::text,
     .fallback = "\"GET\"",
     .only_for = http_types,
     .complaint = method_token,
     .doc =
         "The method of the request, such as GET, HEAD or OPTIONS; in capitals, as servers tell them apart.",
     .set = set<&Check::method>},
    {.section = Section::check,
     .key = "path",
     .type = Type::text,
     .fallback = "\"/\"",
     .only_for = http_types,
     .complaint = request_path,
     .doc = "The path, and query if any, that is asked for.",
     .set = set<&Check::path>},
    {.section = Section::check,
     .key = "host",
     .type = Type::text,
     .derived = "the endpoint's address or host name",
     .only_for = http_types,
     .complaint = host_field,
     .doc = "The Host field of the request: a name or an address, with a port if need be.",
     .set = set<&Check::host>},
    {.section = Section::check,
     .key = "headers",
     .type = Type::headers,
     .derived = "none but our own: Host, User-Agent, Connection",
     .only_for = http_types,
     .doc = "Further header fields of the request.",
     .set = set<&Check::headers>},
    {.section = Section::check,
     .key = "expect",
     .type = Type::statuses,
     .fallback = "\"200-299\"",
     .bounds = Bounds{"200", "599"},  // what has 1xx is not the response yet
     .only_for = http_types,
     .doc = "The statuses that count as a success. Redirections are not followed.",
     .set = set<&Check::expect>},
    {.section = Section::check,
     .key = "command",
     .type = Type::command,
     .derived = "none; an exec check has to name one",
     .only_for = exec_type,
     .doc =
         "The program that is started for each probe, and its arguments; there is no shell. It is told what "
         "to probe by the variables SLUICE_ADDRESS, SLUICE_CHECK and, if the check has a port, SLUICE_PORT, "
         "and gets PATH and LANG, no other variable, \"/\" as its folder and nothing to read. At its end, "
         "and "
         "after `timeout`, all that it has started is killed, too.",
     .set = set<&Check::command>},
    {.section = Section::check,
     .key = "body",
     .type = Type::text,
     .derived = "none: the body is not read",
     .only_for = http_types,
     .complaint = not_empty,
     .doc = "A text that has to occur in the first 64 KiB of the response's body.",
     .set = set<&Check::body>},
    {.section = Section::check,
     .key = "body_regex",
     .type = Type::text,
     .derived = "none: the body is not read",
     .only_for = http_types,
     .complaint = pattern_text,
     .doc =
         "A regular expression (RE2) that has to match somewhere in the first 64 KiB of the response's body; "
         "instead of `body`.",
     .set = set<&Check::body_regex>},
    {.section = Section::check,
     .key = "verify",
     .type = Type::boolean,
     .fallback = "true",
     .only_for = https_type,
     .doc =
         "Whether the server's certificate is verified: that it is valid, of a known authority, and for the "
         "name that is asked for.",
     .set = set<&Check::verify>},
    {.section = Section::check,
     .key = "ca",
     .type = Type::path,
     .derived = "the authorities that the system trusts",
     .only_for = https_type,
     .complaint = not_empty,
     .doc = authorities_doc,
     .set = set_with_position<&Check::ca, &Check::ca_at>},
    {.section = Section::check,
     .key = "sni",
     .type = Type::text,
     .derived = "the name in `host`, or else the endpoint's; an endpoint that is an address has none",
     .only_for = https_type,
     .complaint = server_name,
     .doc =
         "The name that the server is asked for in the TLS handshake (SNI), and that its certificate has to "
         "be for.",
     .set = set<&Check::sni>},
    {.section = Section::check,
     .key = "expiry",
     .type = Type::duration,
     .derived = "three times the interval",
     .bounds = Bounds{"100ms", "7d"},
     .only_for = push_type,
     .doc = "How long a report holds, the interval at least; without a new one each `interval` counts as a "
            "failure from then on.",
     .set = set<&Check::expiry>},
    {.section = Section::check,
     .key = "token",
     .type = Type::token,
     .derived = "what stands in token_file, or none: reports come over the Unix socket only",
     .only_for = push_type,
     .doc = "What a service has to know to report over TCP, sent as \"Authorization: Bearer TOKEN\". Whoever "
            "can "
            "read the config can report.",
     .set = set<&Check::token>},
    {.section = Section::check,
     .key = "token_file",
     .type = Type::path,
     .derived = "none",
     .only_for = push_type,
     .complaint = not_empty,
     .doc = "A file that holds the token and nothing else.",
     .set = set_with_position<&Check::token_file, &Check::token_file_at>},

    {.section = Section::analysis,
     .key = "type",
     .type = Type::choice,
     .required = true,
     .choices = analysis_types,
     .doc =
         "prometheus: a query's value is held against thresholds. exec: a program ends with exit status 0 "
         "(success) or 1 (failure); anything else is an error. webhook: a server answers a POST of JSON with "
         "200 (success), 204 (no data yet) or 4xx (failure); anything else is an error. probes: the probes "
         "of "
         "the new pool are held against those of the old ones.",
     .set = set<&Analysis::type>},
    {.section = Section::analysis,
     .key = "interval",
     .type = Type::duration,
     .fallback = "\"30s\"",
     .bounds = Bounds{"100ms", "1h"},
     .doc = "The time from one result to the next, and to the first one from the begin of a step's hold.",
     .set = set<&Analysis::interval>},
    {.section = Section::analysis,
     .key = "timeout",
     .type = Type::duration,
     .derived = "10s, or the interval when that is shorter",
     .bounds = Bounds{"10ms", "1h"},
     .only_for = waiting_types,
     .doc = "How long an answer may take before it counts as an error; not longer than the interval.",
     .set = set<&Analysis::timeout>},
    {.section = Section::analysis,
     .key = "failures_max",
     .type = Type::integer,
     .fallback = "1",
     .bounds = Bounds{"1", "1000"},
     .unit = "failures",
     .doc = "So many failures in a step abort the rollout; they need not be in a row.",
     .set = set<&Analysis::failures_max>},
    {.section = Section::analysis,
     .key = "errors_max",
     .type = Type::integer,
     .fallback = "3",
     .bounds = Bounds{"1", "1000"},
     .unit = "errors",
     .doc = "So many errors in a row hold the rollout until there is a result again.",
     .set = set<&Analysis::errors_max>},
    {.section = Section::analysis,
     .key = "successes_min",
     .type = Type::integer,
     .fallback = "1",
     .bounds = Bounds{"1", "1000"},
     .unit = "successes",
     .doc =
         "So many successes are needed before a step's hold can end; beside that, the last result has to be "
         "one.",
     .set = set<&Analysis::successes_min>},
    {.section = Section::analysis,
     .key = "url",
     .type = Type::text,
     .derived = "none; an analysis of type prometheus or webhook has to name one",
     .only_for = asking_types,
     .complaint = web_url,
     .doc = "Where Prometheus is, without its \"/api/v1/query\", or where the webhook is posted to; http or "
            "https. Redirections are not followed.",
     .set = set<&WebServer::url, Analysis>},
    headers_row<Analysis>(Section::analysis, asking_types),
    ca_row<Analysis>(Section::analysis, asking_types),
    {.section = Section::analysis,
     .key = "query",
     .type = Type::text,
     .derived = "none; an analysis of type prometheus has to name one",
     .only_for = prometheus_type,
     .complaint = not_empty,
     .doc = "The query in PromQL, for one value. {pool} stands for the pool that grows, {old} for the others "
            "that "
            "had a share before, joined by \"|\" as =~ takes them, {name} for the steered name without its "
            "final "
            "dot. No value, or NaN, is inconclusive.",
     .set = set<&Analysis::query>},
    {.section = Section::analysis,
     .key = "max",
     .type = Type::number,
     .derived = "none",
     .only_for = prometheus_type,
     .doc = "A greater value is a failure.",
     .set = set<&Analysis::max>},
    {.section = Section::analysis,
     .key = "min",
     .type = Type::number,
     .derived = "none",
     .only_for = prometheus_type,
     .doc = "A smaller value is a failure.",
     .set = set<&Analysis::min>},
    {.section = Section::analysis,
     .key = "relative_to_old",
     .type = Type::boolean,
     .fallback = "false",
     .only_for = prometheus_type,
     .doc =
         "Whether max and min are for the ratio of the value to that of the same query with the old pools in "
         "the place of {pool}. Two equal values are a ratio of 1, also when they are 0. Not asked at a step "
         "of 100 %.",
     .set = set<&Analysis::relative_to_old>},
    {.section = Section::analysis,
     .key = "samples",
     .type = Type::text,
     .derived = "none: samples are not counted",
     .only_for = prometheus_type,
     .complaint = not_empty,
     .doc = "A query that counts what the value is made of, such as requests.",
     .set = set<&Analysis::samples>},
    {.section = Section::analysis,
     .key = "samples_min",
     .type = Type::number,
     .derived = "1 with `samples`; 20 probes of each side for type probes",
     .bounds = Bounds{"0", "1000000000"},
     .only_for = counting_types,
     .doc = "Fewer samples are inconclusive.",
     .set = set<&Analysis::samples_min>},
    {.section = Section::analysis,
     .key = "command",
     .type = Type::command,
     .derived = "none; an analysis of type exec has to name one",
     .only_for = exec_type,
     .doc =
         "The program that is started, and its arguments; there is no shell. It is told what for by the "
         "variables SLUICE_ANALYSIS, SLUICE_NAME, SLUICE_POOL, SLUICE_OLD, SLUICE_ROLLOUT, SLUICE_STEP and "
         "SLUICE_SHARE, and gets PATH and LANG beside them. When the last line that it prints is a number, "
         "it "
         "is shown as the value.",
     .set = set<&Analysis::command>},
    {.section = Section::analysis,
     .key = "success_min",
     .type = Type::number,
     .fallback = "0.95",
     .bounds = Bounds{"0", "1000"},
     .only_for = probes_type,
     .doc = "The part of the new pool's probes that succeed is at least so many times that of the old pools, "
            "since "
            "the hold began.",
     .set = set<&Analysis::success_min>},
    {.section = Section::analysis,
     .key = "latency_max",
     .type = Type::number,
     .derived = "none: it does not matter",
     .bounds = Bounds{"0", "1000"},
     .only_for = probes_type,
     .doc = "Of the probes that succeed, the mean time of the new pool's is at most so many times that of "
            "the old pools; what is under 1 ms counts as 1 ms.",
     .set = set<&Analysis::latency_max>},

    {.section = Section::notify,
     .key = "url",
     .type = Type::text,
     .required = true,
     .complaint = web_url,
     .doc = "Where events are posted to; http or https. Redirections are not followed: they are failures.",
     .set = set<&WebServer::url, Receiver>},
    headers_row<Receiver>(Section::notify),
    ca_row<Receiver>(Section::notify),
    secret_row<Receiver>(Section::notify),
    secret_file_row<Receiver>(Section::notify),
    {.section = Section::notify,
     .key = "events",
     .type = Type::kinds,
     .fallback = "[\"*\"]",
     .doc =
         "The kinds of events that are posted, as `sluicectl events` shows them; \"rollout.*\" is all that "
         "begin with \"rollout.\". With many endpoints that flap, \"*\" is a lot.",
     .set = set<&Receiver::events>},
    {.section = Section::notify,
     .key = "timeout",
     .type = Type::duration,
     .fallback = "\"10s\"",
     .bounds = Bounds{"10ms", "5m"},
     .doc = "How long an answer may take before it counts as a failure.",
     .set = set<&Receiver::timeout>},
    {.section = Section::notify,
     .key = "retry_max",
     .type = Type::duration,
     .fallback = "\"1m\"",
     .bounds = Bounds{"10ms", "1h"},
     .doc = "The longest pause before an event is posted again: pauses are 1s, 2s, 4s and so on up to this.",
     .set = set<&Receiver::retry_max>},
    {.section = Section::notify,
     .key = "retry_for",
     .type = Type::duration,
     .fallback = "\"1d\"",
     .bounds = Bounds{"0s", "30d"},
     .doc = "An event that has waited for longer than this is dropped with its next failure.",
     .set = set<&Receiver::retry_for>},
    {.section = Section::notify,
     .key = "queue",
     .type = Type::integer,
     .fallback = "1000",
     .bounds = Bounds{"2", "100000"},
     .unit = "events",
     .doc = "So many events wait; with one more the oldest of them is dropped.",
     .set = set<&Receiver::queue>},

    {.section = Section::hook,
     .key = "url",
     .type = Type::text,
     .required = true,
     .complaint = web_url,
     .doc = "Where it is posted to; http or https. Redirections are not followed: they are failures.",
     .set = set<&WebServer::url, Hook>},
    headers_row<Hook>(Section::hook),
    ca_row<Hook>(Section::hook),
    secret_row<Hook>(Section::hook),
    secret_file_row<Hook>(Section::hook),

    {.section = Section::rollout,
     .key = "steps",
     .type = Type::steps,
     .derived = "1, 5, 25, 50 and 100",
     .doc = "The shares of the pool that grows, in percent, ascending. A preset has one of steps, linear and "
            "exponential.",
     .set = set<&Preset::steps>},
    {.section = Section::rollout,
     .key = "linear",
     .type = Type::percent,
     .derived = "none",
     .bounds = Bounds{"1%", "100%"},
     .doc =
         "Steps that are this much apart; the last is what is left, with the one before it when less than a "
         "tenth of a step is: 30,60,90,100, but 33,66,100.",
     .set = set<&Preset::linear>},
    {.section = Section::rollout,
     .key = "exponential",
     .type = Type::integer,
     .derived = "none",
     .bounds = Bounds{"2", "100"},
     .unit = "times",
     .doc = "Steps of which each is so many times the last.",
     .set = set<&Preset::exponential>},
    {.section = Section::rollout,
     .key = "hold",
     .type = Type::duration,
     .derived = "5m",
     .bounds = Bounds{"0s", "30d"},
     .doc = "How long each step is held, once it is done.",
     .set = set<&Preset::hold>},
    {.section = Section::rollout,
     .key = "gates",
     .type = Type::boolean,
     .fallback = "false",
     .doc = "Whether a promote is waited for after each hold.",
     .set = set<&Preset::gates>},
    {.section = Section::rollout,
     .key = "ttl",
     .type = Type::whole_seconds,
     .derived = "10s, or less if the name has less",
     .bounds = Bounds{"0s", "7d"},
     .doc = "The TTL while the rollout runs; not more than the name's ttl, and not less than its ttl_min.",
     .set = set<&Preset::ttl>},
    {.section = Section::rollout,
     .key = "grace",
     .type = Type::duration,
     .derived = "0s",
     .bounds = Bounds{"0s", "30d"},
     .doc = "How much longer than the TTL some caches keep answers.",
     .set = set<&Preset::grace>},
    {.section = Section::rollout,
     .key = "analysis",
     .type = Type::analyses,
     .derived = "none",
     .doc = "What watches each hold, and a switch before it is made: the NAMEs of sections [analysis.NAME].",
     .set = set<&Preset::analysis>},

    step_max_row,
    pools_min_row,
    endpoints_min_row,
    capacity_min_row,
    freeze_row,

    {.section = Section::pool,
     .key = "check",
     .type = Type::text,
     .derived = "none: the endpoints are taken as healthy",
     .doc = "The NAME of the check by which the endpoints are probed.",
     .set = set<&Pool::check>},
    {.section = Section::pool,
     .key = "endpoints",
     .type = Type::endpoints,
     .required = true,
     .doc =
         "The addresses of the servers, IPv4 and IPv6, or the names of hosts: then the answer is a CNAME to "
         "one of them. A weight is the endpoint's share among those of its family, 1 unless given; 0 is no "
         "new traffic. A host is written with its dots; the final one may be left out. check_address and "
         "check_port say what is probed instead, which a check of type push has no use for.",
     .set = set<&Pool::endpoints>},
    {.section = Section::pool,
     .key = "min_healthy",
     .type = Type::percent,
     .fallback = "\"0%\"",
     .bounds = Bounds{"0%", "100%"},
     .doc =
         "The part of the pool's weight, in each family by itself, that has to be usable for the pool to be "
         "alive; with 0% one endpoint is enough. A slow start or a degraded share is no loss of health.",
     .set = set<&Pool::min_healthy>},
    {.section = Section::pool,
     .key = "fail_open",
     .type = Type::choice,
     .fallback = "\"others\"",
     .choices = fail_open_ways,
     .doc = "What becomes of the pool's share when it is not alive. others: it goes to the name's other "
            "pools, as "
            "far as they may take it. all: it stays, and all of the pool's endpoints are handed out, but for "
            "those "
            "that the operator took out.",
     .set = set<&Pool::fail_open>},
    {.section = Section::pool,
     .key = "max_share",
     .type = Type::percent,
     .fallback = "\"100%\"",
     .bounds = Bounds{"0%", "100%"},
     .doc = "Of a name's answers, the most that the pool may have when it takes over from others. Its own "
            "share is "
            "never cut.",
     .set = set<&Pool::max_share>},

    {.section = Section::client_class,
     .key = "prefixes",
     .type = Type::class_prefixes,
     .required = true,
     .doc = "The addresses of the clients: those of their resolvers, or what EDNS Client Subnet says of the "
            "clients themselves. Where prefixes of several classes contain one another, the longest counts.",
     .set = set<&ClientClass::prefixes>},

    {.section = Section::steer,
     .key = "pools",
     .type = Type::weights,
     .required = true,
     .doc = "The pools that share the name's traffic, each with its weight: numbers of any scale; 0 is no "
            "new traffic.",
     .set = set<&Steer::pools>},
    {.section = Section::steer,
     .key = "standby",
     .type = Type::pools,
     .derived = "none",
     .doc = "Pools that, while their weight is 0, take over what the others cannot when pools fail: in this "
            "order, "
            "each up to its max_share. They may stand in `pools`, too; if not, their weight is 0.",
     .set = set<&Steer::standby>},
    {.section = Section::steer,
     .key = "classes",
     .type = Type::routes,
     .derived = "none: all clients are answered by the weights",
     .doc =
         "Classes of clients that are answered from one of the name's pools whatever its weight, which may "
         "be 0, as long as that pool is alive; else by the weights like all others.",
     .set = set<&Steer::routes>},
    {.section = Section::steer,
     .key = "overflow",
     .type = Type::number,
     .fallback = "10",
     .bounds = Bounds{"0", "65536"},
     .doc = "How many times its own share a pool may have when it takes over from others: with 10, a canary "
            "of 5 % "
            "gets 50 % at most, and the rest stays with the dead, as if they were healthy. 1 takes nothing "
            "over, 0 "
            "is no limit. Standby pools have their max_share alone.",
     .set = set<&Steer::overflow>},
    {.section = Section::steer,
     .key = "ttl",
     .type = Type::whole_seconds,
     .fallback = "\"30s\"",
     .bounds = Bounds{"0s", "7d"},
     .doc = "How long resolvers may keep an answer, and so how long a change takes to reach everyone.",
     .set = set<&Steer::ttl>},
    {.section = Section::steer,
     .key = "ttl_min",
     .type = Type::whole_seconds,
     .derived = "1s, or the ttl when that is shorter",
     .bounds = Bounds{"0s", "1h"},
     .doc = "The TTL is lowered while an endpoint's state is about to change, but not below this; not longer "
            "than "
            "the ttl.",
     .set = set<&Steer::ttl_min>},
    {.section = Section::steer,
     .key = "answers",
     .type = Type::integer,
     .fallback = "1",
     .bounds = Bounds{"1", "64"},
     .unit = "addresses",
     .doc = "How many addresses of one family an answer carries, so that clients can fall through to the "
            "next. A "
            "name that leads to hosts has one CNAME.",
     .set = set<&Steer::answers>},
    {.section = Section::steer,
     .key = "method",
     .type = Type::choice,
     .fallback = "\"random\"",
     .choices = methods,
     .planned = methods_planned,
     .doc = "random: each answer is a draw of its own. sticky: a client keeps its pool, by its address or "
            "its EDNS Client Subnet.",
     .set = set<&Steer::method>},
    {.section = Section::steer,
     .key = "subnet_v4",
     .type = Type::integer,
     .fallback = "24",
     .bounds = Bounds{"0", "32"},
     .unit = "bits",
     .doc = "The prefix length at which the IPv4 EDNS Client Subnets of a sticky steer are told apart.",
     .set = set<&Steer::subnet_v4>},
    {.section = Section::steer,
     .key = "subnet_v6",
     .type = Type::integer,
     .fallback = "56",
     .bounds = Bounds{"0", "128"},
     .unit = "bits",
     .doc = "The prefix length at which the IPv6 EDNS Client Subnets of a sticky steer are told apart.",
     .set = set<&Steer::subnet_v6>},
    {.section = Section::steer,
     .key = "rollout",
     .type = Type::text,
     .derived = "none",
     .doc = "The NAME of the [rollout.NAME] that its rollouts are started with, unless `--preset` names "
            "another.",
     .set = set<&Steer::rollout>},
    {.section = Section::steer,
     .key = "preview",
     .type = Type::boolean,
     .fallback = "false",
     .doc = "Whether `preview.` before the name is answered, too, with a TTL of ttl_min: from the idle side, "
            "to look at it before clients do. That is the target of a rollout until it has all of the "
            "traffic, then who had it before; without a rollout the first pool that has no weight. When each "
            "has one, the answer is empty.",
     .set = set<&Steer::preview>},
    of_steer(step_max_row, set_safety<&Safety::step_max>),
    of_steer(pools_min_row, set_safety<&Safety::pools_min>),
    of_steer(endpoints_min_row, set_safety<&Safety::endpoints_min>),
    of_steer(capacity_min_row, set_safety<&Safety::capacity_min>),
    of_steer(freeze_row, set_safety<&Safety::freeze>),
});

}  // namespace

std::span<const SectionRow> section_rows() { return sections; }
std::span<const KeyRow> key_rows() { return keys; }

const SectionRow& row_of(Section section) { return sections[static_cast<std::size_t>(section)]; }

const KeyRow* find_key(Section section, std::string_view key) {
  const auto found = std::find_if(
      keys.begin(), keys.end(), [&](const KeyRow& row) { return row.section == section && row.key == key; });
  return found == keys.end() ? nullptr : &*found;
}

std::string full_name(const KeyRow& row) { return fmt::format("{}.{}", row_of(row.section).name, row.key); }

std::string either_of(std::span<const std::string_view> choices) {
  std::string text;
  for (std::size_t i = 0; i < choices.size(); ++i)
    text += fmt::format("{}\"{}\"", i == 0 ? "" : i + 1 == choices.size() ? " or " : ", ", choices[i]);
  return text;
}

std::string expected(const KeyRow& row) {
  switch (row.type) {
    case Type::text:
      return "a string";
    case Type::path:
      return "a path as a string";
    case Type::boolean:
      return "true or false";
    case Type::integer:
      return "an integer";
    case Type::duration:
      return "a duration such as \"2s\"";
    case Type::whole_seconds:
      return "a duration such as \"30s\"";
    case Type::percent:
      return "a percentage such as \"20%\"";
    case Type::number:
      return "a number";
    case Type::choice:
      return either_of(row.choices);
    case Type::listener:
      return "ADDRESS:PORT such as \"127.0.0.1:53\" or \"[::1]:53\"";
    case Type::listeners:
      return "an array of ADDRESS:PORT strings such as [\"127.0.0.1:53\", \"[::1]:53\"]";
    case Type::prefixes:
    case Type::class_prefixes:
      return "an array of prefixes such as [\"192.0.2.0/24\", \"2001:db8::/32\"]";
    case Type::destination:
      return "an IP address such as \"192.0.2.1\" or \"2001:db8::1\", or a host name such as "
             "\"edge.cdn.example.\"";
    case Type::endpoints:
      return "an array of addresses such as [\"192.0.2.1\", { address = \"2001:db8::1\", weight = 2 }], or "
             "of "
             "host names such as [\"edge.example.\", { host = \"backup.example.\", weight = 2 }]";
    case Type::weights:
      return "a table of pools and their weights such as { v1 = 95, v2 = 5 }";
    case Type::pools:
      return "an array of pools such as [\"dr\"]";
    case Type::analyses:
      return "an array of analyses such as [\"errors\", \"latency\"]";
    case Type::steps:
      return "an array of percentages that grow such as [1, 5, 25, 50, 100]";
    case Type::freeze:
      return "an array of windows such as [\"Fri 16:00 - Mon 08:00\", \"2026-12-20T00:00Z - "
             "2027-01-03T00:00Z\"]";
    case Type::routes:
      return "a table of classes and the pools they are led to such as { testers = \"v2\" }";
    case Type::statuses:
      return "a status such as 200, a range such as \"200-399\", or an array of these";
    case Type::headers:
      return "a table of header fields such as { Accept = \"text/plain\" }";
    case Type::token:
      return "a token of letters, digits and \"-._~+/\", such as \"openssl rand -hex 32\" prints";
    case Type::secret:
      return "a secret in base64, as tsig-keygen prints it";
    case Type::transfers:
      return "an array such as [\"192.0.2.7\", \"2001:db8::/32\", { address = \"192.0.2.0/24\", key = "
             "\"xfr\" }]";
    case Type::command:
      return "an array of a program's path and its arguments such as "
             "[\"/usr/bin/pg_isready\", \"--quiet\"]";
    case Type::kinds:
      return "an array of kinds of events such as [\"rollout.*\", \"endpoint.down\"]";
    case Type::notifies:
      return "an array such as [\"192.0.2.1\", { address = \"192.0.2.2:5353\", key = \"xfr\" }]";
  }
  return {};
}

}  // namespace sluice::config
