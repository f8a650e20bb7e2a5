// Reads the value of one key as its row says: the type, the bounds and the form. Nothing here knows other
// keys.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <toml++/toml.h>

#include "config/errors.hpp"
#include "config/schema.hpp"

namespace sluice::config {

Position begin_of(const toml::node& node);
Position begin_of(const toml::key& key);

// "an integer", "a table"
std::string_view kind_of(const toml::node& node);

// "; did you mean 'interval'?", or nothing when no candidate is near.
std::string hint(std::string_view word, std::span<const std::string> candidates);

inline constexpr std::size_t steer_pools_max = 4096;  // 16 slots of 65,536 for each

// A key's secret as it is written, in base64. The message of an error does not show it.
Result<Secret> parse_secret(std::string_view text);

// A token as it is sent (RFC 6750, 2.1). The message of an error does not show it.
Result<std::string> parse_token(std::string_view text);

// RFC 9110, 5.6.2: what methods and names of header fields are made of.
bool is_token(std::string_view text);

class ValueReader {
 public:
  // Paths are taken relative to `folder`.
  ValueReader(std::filesystem::path folder, Errors& errors) : folder_(std::move(folder)), errors_(errors) {}

  // Nothing when there was an error, which is then in `errors`.
  std::optional<Value> read(const KeyRow& row, const toml::node& node);

 private:
  std::optional<std::string> read_text(const KeyRow& row, const toml::node& node);
  std::optional<bool> read_boolean(const KeyRow& row, const toml::node& node);
  std::optional<std::int64_t> read_integer(const KeyRow& row, const toml::node& node);
  std::optional<Duration> read_duration(const KeyRow& row, const toml::node& node);
  std::optional<double> read_percent(const KeyRow& row, const toml::node& node);
  std::optional<double> read_number(const KeyRow& row, const toml::node& node);
  std::optional<Choice> read_choice(const KeyRow& row, const toml::node& node);
  std::optional<SocketAddress> read_listener(const KeyRow& row, const toml::node& node);
  std::optional<std::vector<Located<SocketAddress>>> read_listeners(const KeyRow& row,
                                                                    const toml::node& node);
  std::optional<std::vector<Prefix>> read_prefixes(const KeyRow& row, const toml::node& node,
                                                   std::size_t size_max);
  std::optional<std::vector<Endpoint>> read_endpoints(const KeyRow& row, const toml::node& node);
  std::optional<Endpoint> read_endpoint(const KeyRow& row, const toml::node& node);
  bool read_probed(const KeyRow& row, const toml::table& table, Endpoint& endpoint);
  std::optional<wire::Destination> read_destination(const KeyRow& row, const toml::node& node);
  std::optional<Address> read_address(const KeyRow& row, const toml::node& node);
  std::optional<wire::Destination> read_host(const KeyRow& row, const toml::node& node);
  std::optional<double> read_weight(std::string_view of, const toml::node& node);
  std::optional<std::vector<PoolWeight>> read_weights(const KeyRow& row, const toml::node& node);
  std::optional<std::vector<std::string>> read_names(const KeyRow& row, const toml::node& node,
                                                     std::size_t size_max, std::string_view wanted);
  std::optional<std::vector<double>> read_steps(const KeyRow& row, const toml::node& node);
  std::optional<std::vector<FreezeWindow>> read_freeze(const KeyRow& row, const toml::node& node);
  std::optional<std::vector<ClassRoute>> read_routes(const KeyRow& row, const toml::node& node);
  std::optional<std::vector<StatusRange>> read_statuses(const KeyRow& row, const toml::node& node);
  std::optional<StatusRange> read_status(const KeyRow& row, const toml::node& node);
  std::optional<HeaderField> read_header(const KeyRow& row, const toml::key& name, const toml::node& value);
  std::optional<std::vector<HeaderField>> read_headers(const KeyRow& row, const toml::node& node);
  std::optional<std::string> read_token(const KeyRow& row, const toml::node& node);
  std::optional<Secret> read_secret(const KeyRow& row, const toml::node& node);
  struct Peer {
    const toml::node* address = nullptr;  // at least one of the two
    const toml::node* key_node = nullptr;
    std::optional<wire::Name> key;
  };
  std::optional<Peer> read_peer(const KeyRow& row, const toml::node& node);
  std::optional<TransferRule> read_transfer(const KeyRow& row, const toml::node& node);
  std::optional<std::vector<TransferRule>> read_transfers(const KeyRow& row, const toml::node& node);
  std::optional<NotifyTarget> read_notify(const KeyRow& row, const toml::node& node);
  std::optional<std::vector<NotifyTarget>> read_notifies(const KeyRow& row, const toml::node& node);
  std::optional<std::vector<std::string>> read_kinds(const KeyRow& row, const toml::node& node);
  std::optional<std::vector<std::string>> read_command(const KeyRow& row, const toml::node& node);

  const toml::array* elements(const KeyRow& row, const toml::node& node, std::size_t size_max);
  // The value has another type than `wanted` says; or the right one, and shows itself in the message.
  std::nullopt_t refuse_type(const KeyRow& row, const toml::node& node, std::string_view wanted);
  std::nullopt_t refuse_value(const KeyRow& row, const toml::node& node, std::string_view wanted);

  std::filesystem::path folder_;
  Errors& errors_;
};

}  // namespace sluice::config
