#include "config/url.hpp"

#include <charconv>

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

namespace sluice::config {
namespace {

// Names are looked up as they are, with or without a dot.
Result<wire::Destination> host_of(const boost::urls::url_view& url) {
  std::string text(url.encoded_host_address());
  if (const auto address = parse_address(text)) return wire::Destination(*address);
  if (!text.ends_with('.')) text += '.';
  auto host = wire::parse_host(text);
  if (!host) return host.error();
  return wire::Destination(*std::move(host));
}

// 0: it is none.
std::uint16_t port_of(const boost::urls::url_view& url, std::uint16_t usual) {
  if (!url.has_port()) return usual;
  const std::string text(url.port());  // the library's number is cut to 16 bits
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc{} && end == text.data() + text.size() ? port : std::uint16_t{0};
}

std::string target_of(const boost::urls::url_view& url) {
  std::string target(url.encoded_target());
  return target.starts_with('/') ? target : "/" + target;
}

}  // namespace

Result<Url> parse_url(std::string_view text) {
  const Error malformed{ErrorCode::invalid, "a URL such as \"http://127.0.0.1:9090\""};
  const auto url = boost::urls::parse_uri(text);
  if (!url || url->has_userinfo() || url->has_fragment()) return malformed;
  const bool tls = url->scheme_id() == boost::urls::scheme::https;
  if ((!tls && url->scheme_id() != boost::urls::scheme::http) || url->encoded_host().empty())
    return malformed;
  const auto port = port_of(*url, tls ? 443 : 80);
  auto host = host_of(*url);
  if (!host || port == 0) return malformed;
  return Url{tls, *std::move(host), port, std::string(url->encoded_host_and_port()), target_of(*url)};
}

}  // namespace sluice::config
