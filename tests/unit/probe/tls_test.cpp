// https checks against real TLS servers: whom they believe, and in which words they refuse the others.
#include <memory>
#include <string>

#include <doctest/doctest.h>
#include <openssl/ssl.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>

#include "../../support/certificate.hpp"
#include "support.hpp"

using namespace sluice;
using namespace sluice::probe;
using namespace std::chrono_literals;

namespace {

namespace ssl = boost::asio::ssl;
using Stream = ssl::stream<tcp::socket&>;
using Talk = asio::awaitable<void> (*)(Stream&);

std::string last_server_name;  // what the last client asked for by SNI; empty: nothing

std::shared_ptr<ssl::context> server_context(const test::CertificateText& text) {
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  context->use_certificate_chain(asio::buffer(text.certificate));
  context->use_private_key(asio::buffer(text.key), ssl::context::pem);
  return context;
}

// Shakes hands and talks. Without an orderly end the connection ends as a server that crashes would end it.
Behaviour over_tls(const test::CertificateText& text, Talk talk, bool orderly_end = true) {
  return [context = server_context(text), talk, orderly_end](tcp::socket& socket) -> asio::awaitable<void> {
    Stream stream(socket, *context);
    const auto [failure] = co_await stream.async_handshake(ssl::stream_base::server, as_result);
    if (failure) co_return;
    const char* name = SSL_get_servername(stream.native_handle(), TLSEXT_NAMETYPE_host_name);
    last_server_name = name ? name : "";
    co_await talk(stream);
    if (orderly_end) co_await stream.async_shutdown(as_result);
  };
}

template <const char* text>
asio::awaitable<void> respond_over_tls(Stream& stream) {
  co_await read_request(stream);
  co_await write_text(stream, text);
}

constexpr char all_well[] = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nall is well";
constexpr char ok_to_the_end[] = "HTTP/1.1 200 OK\r\n\r\nall is well";
constexpr char half_body[] = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nall is";

asio::awaitable<void> say_nothing_over_tls(Stream& stream) {
  co_await read_request(stream);
  co_await read_request(stream);  // ends when the prober closes
}

asio::awaitable<void> body_without_end(Stream& stream) {
  co_await read_request(stream);
  const std::string piece(10'000, 'x');
  bool open = co_await write_text(stream, "HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n");
  while (open) open = co_await write_text(stream, piece);
}

asio::awaitable<void> header_without_end(Stream& stream) {
  co_await read_request(stream);
  const std::string field = "X-Filler: " + std::string(1000, 'x') + "\r\n";
  bool open = co_await write_text(stream, "HTTP/1.1 200 OK\r\n");
  while (open) open = co_await write_text(stream, field);
}

asio::awaitable<void> say_nothing_without_tls(tcp::socket& socket) {
  co_await read_request(socket);
  co_await read_request(socket);
}

asio::awaitable<void> speak_http(tcp::socket& socket) {
  co_await write_text(socket, "HTTP/1.1 400 Bad Request\r\n\r\n");
  co_await read_request(socket);
}

asio::awaitable<void> reset_in_handshake(tcp::socket& socket) {
  char octet = 0;
  co_await socket.async_read_some(asio::buffer(&octet, 1), as_result);
  reset(socket);
}

// A server record that breaks off.
asio::awaitable<void> close_in_handshake(tcp::socket& socket) {
  char octets[4096];
  co_await socket.async_read_some(asio::buffer(octets), as_result);
  co_await write_text(socket, std::string("\x16\x03\x03\x01\x00\x02", 6));
}

Target https_target(const Server& server, const std::string& authorities) {
  auto target = make_target(config::CheckType::https, server.endpoint());
  if (!authorities.empty()) target.check.authorities = config::SharedText(authorities);
  return target;
}

}  // namespace

TEST_CASE("a server that is believed") {
  const auto certificate = test::make_certificate("www.shop.example");
  struct Row {
    std::string name;
    const char *host, *sni;
    bool verify;
    std::string server_name;
  };
  const Row rows[] = {
      {"by its address", "", "", true, ""},
      {"by the Host field's name", "www.shop.example:8443", "", true, "www.shop.example"},
      {"by another name than the Host field's", "other.example", "www.shop.example", true,
       "www.shop.example"},
      {"in any case", "WWW.Shop.Example", "", true, "WWW.Shop.Example"},
      {"by nothing", "other.example", "", false, "other.example"},
  };
  for (const std::string address : {"127.0.0.1", "::1"}) {
    for (const auto& row : rows) {
      CAPTURE(address);
      CAPTURE(row.name);
      asio::io_context io;
      const Server server(io, address.c_str(), over_tls(certificate, respond_over_tls<all_well>));
      auto target = https_target(server, row.verify ? certificate.certificate : "");
      target.check.host = row.host;
      target.check.sni = row.sni;
      target.check.verify = row.verify;
      last_server_name = "?";
      CHECK(first_result(io, target).detail == "200 OK");
      CHECK(last_server_name == row.server_name);
    }
  }
}

TEST_CASE("a server that is not believed") {
  const auto good = test::make_certificate("www.shop.example"),
             other = test::make_certificate("www.shop.example");
  const auto expired = test::make_certificate("www.shop.example", "", {-3, -2});
  const auto early = test::make_certificate("www.shop.example", "", {2, 3});
  const auto hostile = test::make_certificate("a\x1B[31m\xFF.example");
  struct Row {
    std::string name;
    const test::CertificateText& certificate;
    std::string authorities;  // empty: the system's
    std::string server_name;
    std::string detail;  // what it begins with
  };
  const Row rows[] = {
      {"another name", good, good.certificate, "other.example",
       "the certificate is not for other.example, but for www.shop.example, 127.0.0.1, ::1"},
      {"only a part of the name", good, good.certificate, "shop.example",
       "the certificate is not for shop.example, but for www.shop.example, "},
      {"self-signed", good, "", "www.shop.example",
       "the certificate is self-signed and not one that is trusted"},
      {"another authority", good, other.certificate, "www.shop.example",
       "the certificate is self-signed and not one that is trusted"},
      {"expired", expired, expired.certificate, "www.shop.example", "the certificate expired on 20"},
      {"too early", early, early.certificate, "www.shop.example", "the certificate is not valid before 20"},
      {"a name that would move the cursor", hostile, hostile.certificate, "www.shop.example",
       "the certificate is not for www.shop.example, but for a[31m.example, "},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    asio::io_context io;
    const Server server(io, "127.0.0.1", over_tls(row.certificate, respond_over_tls<all_well>));
    auto target = https_target(server, row.authorities);
    target.check.host = row.server_name;
    const auto result = first_result(io, target);
    CHECK_FALSE(result.success);
    CHECK_MESSAGE(result.detail.starts_with(row.detail), result.detail);
    CHECK(result.detail.size() < 200);
    target.check.verify = false;
    CHECK(first_result(io, target).success);
  }
}

TEST_CASE("servers that are none of TLS, or break off") {
  struct Row {
    std::string name;
    Behaviour behaviour;
    Duration timeout;
    std::string detail;
  };
  const auto certificate = test::make_certificate("www.shop.example");
  const Row rows[] = {
      {"nobody accepts", nullptr, 100ms, "timeout after 100ms while shaking hands (TLS)"},
      {"silence", say_nothing_without_tls, 100ms, "timeout after 100ms while shaking hands (TLS)"},
      {"HTTP", speak_http, 10s, "not TLS"},
      {"closed at once", close_at_once, 10s, "connection closed in the TLS handshake"},
      {"closed in the handshake", close_in_handshake, 10s, "connection closed in the TLS handshake"},
      {"reset in the handshake", reset_in_handshake, 10s, "connection closed in the TLS handshake"},
      {"silence after it", over_tls(certificate, say_nothing_over_tls), 300ms,
       "timeout after 300ms while waiting for a response"},
      {"half a header", over_tls(certificate, respond_over_tls<half_header>), 10s,
       "connection closed within the response's header"},
      {"half a header, and no orderly end", over_tls(certificate, respond_over_tls<half_header>, false), 10s,
       "connection closed within the response's header"},
      {"a header without end", over_tls(certificate, header_without_end), 10s,
       "response header longer than 64 KiB"},
      {"half a body", over_tls(certificate, respond_over_tls<half_body>), 10s,
       "connection closed within the response's body"},
      {"half a body, and no orderly end", over_tls(certificate, respond_over_tls<half_body>, false), 10s,
       "connection closed within the response's body"},
      {"a body without end", over_tls(certificate, body_without_end), 10s,
       "status 200, but the first 64 KiB of its body have not 'all is well'"},
      {"all is well", over_tls(certificate, respond_over_tls<all_well>), 10s, "200 OK"},
      {"a body up to the end", over_tls(certificate, respond_over_tls<ok_to_the_end>), 10s, "200 OK"},
      {"a body up to no orderly end", over_tls(certificate, respond_over_tls<ok_to_the_end>, false), 10s,
       "200 OK"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.name);
    asio::io_context io;
    const Server server(io, "127.0.0.1", row.behaviour);
    auto target = https_target(server, certificate.certificate);
    target.check.timeout = row.timeout;
    target.check.body = "all is well";
    const auto result = first_result(io, target);
    CHECK(result.detail == row.detail);
    CHECK(result.success == (row.detail == "200 OK"));
  }
}
