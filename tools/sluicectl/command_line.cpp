#include "command_line.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include "base/text.hpp"

namespace sluice::ctl {
namespace {

namespace json = boost::json;
using control::CommandId;
using control::CommandRow;
using control::Param;
using control::ParamType;

// ---- all commands as the CLI sees them ----

// More words than a shell passes to one command.
constexpr int words_max = 100'000;

constexpr const char* dry_run_option = "dry-run";

struct Positional {
  std::string key;    // what the table calls it
  std::string label;  // "NAME", "POOL=WEIGHT..."
  std::string help;
  bool required;
  bool many;
};
struct Option {
  std::string name;   // without the dashes
  std::string label;  // of its value; empty: a flag
  std::string help;
};
enum class LocalId : std::uint8_t { config_check, config_explain };

struct Command {
  std::string words;  // "weight set"
  std::string help;
  std::variant<const CommandRow*, LocalId> what;
  std::vector<Positional> positionals;
  std::vector<Option> options;
  bool dry_run = false;  // always
};

std::string upper_case(std::string_view text) {
  std::string result(text);
  for (auto& c : result)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return result;
}

std::string value_label(ParamType type) {
  switch (type) {
    case ParamType::text:
      return "TEXT";
    case ParamType::weights:
      return "POOL=WEIGHT...";
    case ParamType::duration:
      return "DURATION";
    case ParamType::number:
      return "NUMBER";
    case ParamType::time:
      return "TIME";
    case ParamType::percent:
      return "PERCENT";
    case ParamType::state:
      return "STATE";
    case ParamType::flag:
      return "";
  }
  return {};
}

Positional positional_of(const Param& param) {
  const bool weights = param.type == ParamType::weights;
  return {std::string(param.name), weights ? value_label(param.type) : upper_case(param.name),
          std::string(param.help), param.required, weights};
}

// Of what there is now: of one name or of all, once or again and again.
bool is_listing(const CommandRow& row) {
  return row.id == CommandId::status || row.id == CommandId::rollout_status ||
         row.id == CommandId::rolling_status;
}

// What is read may be narrowed to one name or pool: `status NAME`, without a dash.
bool is_positional(const CommandRow& row, const Param& param) {
  return param.required || (!row.changes && (param.name == "name" || param.name == "pool"));
}

Command command_of(const CommandRow& row) {
  Command command{std::string(row.words), std::string(row.help), &row, {}, {}};
  for (const auto& param : row.params) {
    if (is_positional(row, param))
      command.positionals.push_back(positional_of(param));
    else
      command.options.push_back({std::string(param.name), value_label(param.type), std::string(param.help)});
  }
  if (is_listing(row)) command.options.push_back({"watch", "", "show it again each second, until Ctrl-C"});
  if (row.id == CommandId::events)
    command.options.push_back({"follow", "", "go on with new ones, until Ctrl-C"});
  if (row.id == CommandId::endpoint_drain)
    command.options.push_back({"wait", "", "return when no cache that honours the TTL can hold the address"});
  if (row.changes)
    command.options.push_back({dry_run_option, "", "say what would happen, and change nothing"});
  return command;
}

// The dry run of a row that is a command of its own.
Command plan_of(const CommandRow& row) {
  auto command = command_of(row);
  command.words = row.plan_words;
  command.help =
      fmt::format("Say what `{}` would do, when, and what stands ready for it; change nothing", row.words);
  std::erase_if(command.options, [](const Option& option) { return option.name == dry_run_option; });
  command.dry_run = true;
  return command;
}

std::vector<Command> all_commands() {
  std::vector<Command> commands;
  for (const auto& row : control::commands()) commands.push_back(command_of(row));
  for (const auto& row : control::commands())
    if (!row.plan_words.empty()) commands.push_back(plan_of(row));
  commands.push_back({"config check",
                      "Check a config and its zones",
                      LocalId::config_check,
                      {{"file", "FILE", "the config; the running daemon's if not given", false, false}},
                      {}});
  commands.push_back(
      {"config explain",
       "Explain the keys of the config",
       LocalId::config_explain,
       {{"key", "KEY", "e.g. check.interval, or check for all of its keys; all keys if not given", false,
         false}},
       {}});
  return commands;
}

// ---- help ----

std::string usage_words(const Command& command) {
  auto text = command.words;
  for (const auto& positional : command.positionals)
    text += positional.required ? " " + positional.label : fmt::format(" [{}]", positional.label);
  return text;
}

std::string option_words(const Option& option) {
  return option.label.empty() ? "--" + option.name : fmt::format("--{} {}", option.name, option.label);
}

// "  left    right", the right sides in one column.
std::string two_columns(const std::vector<std::pair<std::string, std::string>>& rows) {
  std::size_t width = 0;
  for (const auto& [left, right] : rows) width = std::max(width, left.size());
  std::string text;
  for (const auto& [left, right] : rows) text += fmt::format("  {:<{}}  {}\n", left, width, right);
  return text;
}

const char* const global_options =
    "\nGlobal options, before or after the command:\n"
    "  --socket PATH  the daemon's Unix socket; else $SLUICE_SOCKET, else state/admin.sock\n"
    "  --url URL      http://HOST:PORT of its read-only listener, or unix:PATH\n"
    "  --json         print the reply as JSON\n"
    "  -h, --help     this text, or that of a command\n";

// `prefix`: "" for all, "weight" for its subcommands.
std::string group_help(const std::vector<Command>& commands, const std::string& prefix) {
  std::vector<std::pair<std::string, std::string>> rows;
  for (const auto& command : commands)
    if (prefix.empty() || command.words.starts_with(prefix + " "))
      rows.emplace_back(usage_words(command), command.help);
  return fmt::format(
      "Usage: sluicectl [--socket PATH | --url URL] [--json] {}\n\nCommands:\n{}{}"
      "\nExit status: 0 done, 1 refused, 2 wrong usage, 3 no daemon.\n",
      prefix.empty() ? "COMMAND" : prefix + " COMMAND", two_columns(rows), global_options);
}

std::string command_help(const Command& command) {
  std::vector<std::pair<std::string, std::string>> rows;
  for (const auto& positional : command.positionals) rows.emplace_back(positional.label, positional.help);
  for (const auto& option : command.options) rows.emplace_back(option_words(option), option.help);
  auto text = fmt::format("Usage: sluicectl {}{}\n\n{}.\n", usage_words(command),
                          command.options.empty() ? "" : " [OPTION...]", command.help);
  if (!rows.empty()) text += "\n" + two_columns(rows);
  return text + global_options;
}

Ending usage_error(const std::string& message) {
  return {ExitCode::usage, fmt::format("sluicectl: {}\n", message)};
}

Ending usage_error(const Command& command, const std::string& message) {
  auto expected = usage_words(command);
  for (const auto& option : command.options) expected += fmt::format(" [{}]", option_words(option));
  return {ExitCode::usage,
          fmt::format("sluicectl: {}: {}\nusage: sluicectl {}\n", command.words, message, expected)};
}

// ---- words -> command ----

// The tree of CLI11's subcommands, and which leaf stands for which command.
struct Parser {
  CLI::App app{"", "sluicectl"};
  std::vector<std::pair<CLI::App*, const Command*>> leaves;
};

// Only one command in a line. What it does not know is kept for an error of ours, which can say what was
// meant.
void set_up(CLI::App& app) {
  app.fallthrough();  // global options are accepted after the command, too
  app.require_subcommand(0, 1);
  app.allow_extras();
}

CLI::App* find_or_add(CLI::App& parent, const std::string& word) {
  const auto known = parent.get_subcommands([&](const CLI::App* sub) { return sub->get_name() == word; });
  if (!known.empty()) return known.front();
  auto* added = parent.add_subcommand(word);
  set_up(*added);
  return added;
}

void add_command(Parser& parser, const Command& command) {
  auto* leaf = &parser.app;
  for (const auto& word : CLI::detail::split(command.words, ' ')) leaf = find_or_add(*leaf, word);
  for (const auto& positional : command.positionals)
    leaf->add_option(positional.key)
        ->expected(1, positional.many ? words_max : 1)
        ->allow_extra_args(positional.many);
  for (const auto& option : command.options) {
    if (option.label.empty())
      leaf->add_flag("--" + option.name)->disable_flag_override();  // --full=false would not mean that
    else
      leaf->add_option("--" + option.name);
  }
  parser.leaves.emplace_back(leaf, &command);
}

CLI::App& chosen(CLI::App& app) {
  auto* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  return *at;
}

const Command* command_at(const Parser& parser, const CLI::App& app) {
  for (const auto& [leaf, command] : parser.leaves)
    if (leaf == &app) return command;
  return nullptr;
}

std::string words_of(const CLI::App& app) {
  if (!app.get_parent()) return "";
  const auto before = words_of(*app.get_parent());
  return before.empty() ? app.get_name() : before + " " + app.get_name();
}

std::vector<std::string> subcommand_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const auto* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(sub->get_name());
  return names;
}

// The words stop before a whole command was named.
Ending incomplete(const CLI::App& at, const std::vector<std::string>& unknown) {
  const auto names = subcommand_names(at);
  const auto group = words_of(at);
  const auto prefix = group.empty() ? "" : group + " ";
  const auto expected = fmt::format("{}{}", prefix, fmt::join(names, ", " + prefix));
  if (unknown.empty()) return usage_error(fmt::format("a command is missing; expected one of: {}", expected));
  const auto& word = unknown.front();
  if (word.starts_with('-')) return usage_error(fmt::format("unknown option '{}'", word));
  const auto likely = nearest(word, names);
  return usage_error(fmt::format(
      "unknown command '{}{}'; {}", prefix, word,
      likely ? fmt::format("did you mean '{}{}'?", prefix, *likely) : "expected one of: " + expected));
}

Ending superfluous(const Command& command, const std::string& word) {
  if (!word.starts_with('-')) return usage_error(command, fmt::format("unexpected '{}'", word));
  std::vector<std::string> names{"--socket", "--url", "--json", "--help"};
  for (const auto& option : command.options) names.push_back("--" + option.name);
  const auto likely = nearest(word, names);
  return usage_error(command, fmt::format("unknown option '{}'{}", word,
                                          likely ? fmt::format("; did you mean '{}'?", *likely) : ""));
}

// ---- command -> values ----

// "v1=90" into `weights`; or what is wrong with it.
std::optional<std::string> add_weight(const std::string& word, json::object& weights) {
  const auto equals = word.find('=');
  if (equals == std::string::npos || equals == 0)
    return fmt::format("'{}' is not POOL=WEIGHT, such as v2=5", word);
  const auto pool = word.substr(0, equals);
  const char* const first = word.data() + equals + 1;
  const char* const last = word.data() + word.size();
  if (weights.contains(pool)) return fmt::format("pool '{}' is given twice", pool);
  std::int64_t whole = 0;
  double number = 0;
  if (const auto [rest, error] = std::from_chars(first, last, whole); error == std::errc{} && rest == last) {
    weights[pool] = whole;
  } else if (const auto [end, bad] = std::from_chars(first, last, number);
             bad == std::errc{} && end == last && std::isfinite(number)) {
    weights[pool] = number;
  } else {
    return fmt::format("the weight in '{}' is not a number", word);
  }
  return std::nullopt;
}

// One value of the command line into `value`; or what is wrong with it.
std::optional<std::string> read_value(const Param& param, const std::vector<std::string>& words,
                                      json::value& value) {
  switch (param.type) {
    case ParamType::text:
      if (words[0].empty()) return fmt::format("{} is empty", upper_case(param.name));
      value = words[0];
      return std::nullopt;
    case ParamType::weights: {
      auto& weights = value.emplace_object();
      for (const auto& word : words)
        if (auto wrong = add_weight(word, weights)) return wrong;
      return std::nullopt;
    }
    case ParamType::duration:
      if (const auto duration = parse_duration(words[0]); !duration) return duration.error().message;
      value = words[0];
      return std::nullopt;
    case ParamType::number: {
      std::uint64_t number = 0;
      const auto* last = words[0].data() + words[0].size();
      const auto [rest, error] = std::from_chars(words[0].data(), last, number);
      if (error != std::errc{} || rest != last) return fmt::format("'{}' is not a whole number", words[0]);
      value = number;
      return std::nullopt;
    }
    case ParamType::time:
      if (const auto moment = parse_moment(words[0], Time{}); !moment) return moment.error().message;
      value = words[0];
      return std::nullopt;
    case ParamType::percent:
    case ParamType::state:
      value = words[0];
      if (control::has_type(value, param.type)) return std::nullopt;
      return fmt::format("'{}' is not {}", words[0], control::expectation(param.type));
    case ParamType::flag:
      value = true;
      return std::nullopt;
  }
  return std::nullopt;
}

const CLI::Option* given(const CLI::App& leaf, const std::string& name) {
  const auto* option = leaf.get_option_no_throw(name);
  return option && option->count() > 0 ? option : nullptr;
}

std::variant<ApiCall, Ending> read_call(const CommandRow& row, const Command& command, const CLI::App& leaf) {
  ApiCall call;
  call.row = &row;
  for (const auto& param : row.params) {
    const std::string name(param.name);
    const auto* option = given(leaf, name);
    if (!option) option = given(leaf, "--" + name);
    if (!option) continue;
    json::value value;
    if (auto wrong = read_value(param, option->results(), value)) return usage_error(command, *wrong);
    call.arguments[name] = std::move(value);
  }
  call.dry_run = command.dry_run || given(leaf, fmt::format("--{}", dry_run_option)) != nullptr;
  call.watch = given(leaf, "--watch") != nullptr;
  call.follow = given(leaf, "--follow") != nullptr;
  call.wait = row.id == CommandId::endpoint_drain && given(leaf, "--wait");
  if (call.wait && call.arguments.contains("at"))
    return usage_error(command, "--wait and --at cannot be given together");
  return call;
}

std::variant<Action, Ending> read_action(const Command& command, const CLI::App& leaf) {
  for (const auto& positional : command.positionals)
    if (positional.required && !given(leaf, positional.key))
      return usage_error(command, fmt::format("{} is missing", positional.label));
  if (const auto* row = std::get_if<const CommandRow*>(&command.what)) {
    auto call = read_call(**row, command, leaf);
    if (auto* ending = std::get_if<Ending>(&call)) return std::move(*ending);
    return Action(std::get<ApiCall>(std::move(call)));
  }
  const auto* value = given(leaf, command.positionals[0].key);
  switch (std::get<LocalId>(command.what)) {
    case LocalId::config_check:
      return Action(ConfigCheck{value ? std::optional(value->results()[0]) : std::nullopt});
    case LocalId::config_explain:
      return Action(ConfigExplain{value ? value->results()[0] : ""});
  }
  return usage_error(command, "is not known");
}

// ---- where the daemon is ----

std::variant<Target, Ending> read_url(const std::string& text) {
  const auto wrong = usage_error(fmt::format("--url '{}' is neither http://HOST:PORT nor unix:PATH", text));
  if (text.starts_with("unix:") && text.size() > 5) return Target{text.substr(5), {}, {}};
  if (text.starts_with('/') || text.starts_with("./")) return Target{text, {}, {}};
  const auto url = boost::urls::parse_uri(text);
  if (!url || url->scheme() != "http" || url->encoded_host().empty()) return wrong;
  if ((!url->encoded_path().empty() && url->encoded_path() != "/") || url->has_query()) return wrong;
  const auto port = url->port();
  return Target{{}, url->host_address(), port.empty() ? "80" : std::string(port)};
}

std::variant<Target, Ending> read_target(const CLI::App& app, const std::optional<std::string>& variable) {
  const auto* socket = given(app, "--socket");
  const auto* url = given(app, "--url");
  if (socket && url) return usage_error("--socket and --url cannot be given together");
  if (url) return read_url(url->results()[0]);
  if (socket) return Target{socket->results()[0], {}, {}};
  if (variable && !variable->empty()) return Target{*variable, {}, {}};
  return Target{default_socket, {}, {}};
}

// ---- together ----

Ending help(const Parser& parser, const std::vector<Command>& commands, const CLI::App& at) {
  const auto* command = command_at(parser, at);
  return {ExitCode::done, command ? command_help(*command) : group_help(commands, words_of(at))};
}

std::variant<Invocation, Ending> read_parsed(Parser& parser, const std::optional<std::string>& variable) {
  auto& leaf = chosen(parser.app);
  const auto* command = command_at(parser, leaf);
  const auto unknown = parser.app.remaining(true);
  if (!command) return incomplete(leaf, unknown);
  if (!unknown.empty()) return superfluous(*command, unknown[0]);
  auto target = read_target(parser.app, variable);
  if (auto* ending = std::get_if<Ending>(&target)) return std::move(*ending);
  auto action = read_action(*command, leaf);
  if (auto* ending = std::get_if<Ending>(&action)) return std::move(*ending);
  return Invocation{std::get<Target>(std::move(target)), given(parser.app, "--json") != nullptr,
                    std::get<Action>(std::move(action))};
}

}  // namespace

std::variant<Invocation, Ending> parse(std::span<const std::string> words,
                                       const std::optional<std::string>& socket_variable) {
  const auto commands = all_commands();
  Parser parser;
  set_up(parser.app);
  for (const auto* name : {"--socket", "--url"}) parser.app.add_option(name);
  parser.app.add_flag("--json");
  for (const auto& command : commands) add_command(parser, command);
  try {
    parser.app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
  } catch (const CLI::CallForHelp&) {
    return help(parser, commands, chosen(parser.app));
  } catch (const CLI::ParseError& error) {
    const auto* command = command_at(parser, chosen(parser.app));
    return command ? usage_error(*command, error.what()) : usage_error(error.what());
  }
  return read_parsed(parser, socket_variable);
}

}  // namespace sluice::ctl
