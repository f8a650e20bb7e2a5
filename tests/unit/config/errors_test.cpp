// What is refused, where, and in which words.
#include <sstream>

#include <doctest/doctest.h>

#include "config/schema.hpp"
#include "support.hpp"

namespace sluice::config {
namespace {

const Case bad_values[] = {
    {"admin: no text", "[admin]\nhttp = 8053\n",
     "6:8: http: expected ADDRESS:PORT such as \"127.0.0.1:53\" or \"[::1]:53\", got an integer\n"},
    {"admin: no port", "[admin]\nhttp = \"127.0.0.1\"\n",
     "6:8: http: expected ADDRESS:PORT such as \"127.0.0.1:53\" or \"[::1]:53\", got \"127.0.0.1\"\n"},
    {"admin: IPv6 without brackets", "[admin]\nhttp = \"::1:80\"\n",
     "6:8: http: expected ADDRESS:PORT such as \"127.0.0.1:53\" or \"[::1]:53\", got \"::1:80\"\n"},
    {"admin: port out of range", "[admin]\nhttp = \"127.0.0.1:65536\"\n",
     "6:8: http: expected ADDRESS:PORT such as \"127.0.0.1:53\" or \"[::1]:53\", got \"127.0.0.1:65536\"\n"},
    {"admin: a zero octet hides nothing", "[admin]\nhttp = \"127.0.0.1\\u0000x:80\"\n",
     "6:8: http: expected ADDRESS:PORT such as \"127.0.0.1:53\" or \"[::1]:53\", got "
     "\"127.0.0.1\\u0000x:80\"\n"},
    {"admin: empty socket", "[admin]\nsocket = \"\"\n",
     "6:10: socket: expected a text that is not empty, got \"\"\n"},
    {"admin: long socket",
     "[admin]\nsocket = \"/23456789/123456789/123456789/123456789/123456789/123456789/123456789/123456789/"
     "123456789/123456789/12345678\"\n",
     "6:10: socket: the path of a Unix socket has at most 107 octets, got "
     "'/23456789/123456789/123456789/123456789/123456789/123456789/123456789/123456789/123456789/"
     "123456789/...'\n"},

    {"tcp: no connections", "[tcp]\nconnections = 0\n", "6:15: connections: expected 1 to 1000000, got 0\n"},
    {"tcp: idle too short", "[tcp]\nidle = \"50ms\"\n", "6:8: idle: expected 100ms to 1h, got \"50ms\"\n"},
    {"tcp: idle without a unit", "[tcp]\nidle = 10\n",
     "6:8: idle: expected a duration such as \"2s\", got an integer\n"},
    {"tls: nothing in it", "[tls]\n",
     "5:1: [tls] has no 'listen'; expected an array of ADDRESS:PORT strings such as [\"127.0.0.1:53\", "
     "\"[::1]:53\"]\n5:1: [tls] has no 'certificate'; expected a path as a string\n5:1: [tls] has no 'key'; "
     "expected a path as a string\n"},
    {"tls: empty paths", "[tls]\nlisten = [\"[::1]:853\"]\ncertificate = \"\"\nkey = \"\"\n",
     "7:15: certificate: expected a text that is not empty, got \"\"\n8:7: key: expected a text that is not "
     "empty, "
     "got \"\"\n"},
    {"tls: the port of TCP", "[tls]\nlisten = [\"127.0.0.1:5300\"]\ncertificate = \"c\"\nkey = \"k\"\n",
     "6:11: listen: 127.0.0.1:5300 is given for UDP and TCP at 2:11; TLS needs a port of its own, such as "
     "853\n"},

    {"zone: no file", "[zone.\"other.example\"]\n",
     "5:1: [zone.\"other.example\"] has no 'file'; expected a path as a string\n"},
    {"zone: file is a number", "[zone.\"other.example\"]\nfile = 1\n",
     "6:8: file: expected a path as a string, got an integer\n"},
    {"zone: empty file", "[zone.\"other.example\"]\nfile = \"\"\n",
     "6:8: file: expected a text that is not empty, got \"\"\n"},

    {"zone: transfer is no array", "transfer = \"192.0.2.1\"\n",
     "5:12: transfer: expected an array such as [\"192.0.2.7\", \"2001:db8::/32\", { address = "
     "\"192.0.2.0/24\", key = \"xfr\" }], got a string\n"},
    {"zone: transfer to nobody", "transfer = []\n", "5:12: transfer: expected at least one, got none\n"},
    {"zone: transfer to a number", "transfer = [5]\n",
     "5:13: transfer: expected an address or prefix such as \"192.0.2.7\" or \"2001:db8::/32\", got 5\n"},
    {"zone: transfer to a name", "transfer = [\"secondary.example\"]\n",
     "5:13: transfer: 'secondary.example' is no prefix such as \"192.0.2.0/24\" or \"2001:db8::/32\"\n"},
    {"zone: transfer, bits behind the prefix", "transfer = [\"192.0.2.1/24\"]\n",
     "5:13: transfer: '192.0.2.1/24' has bits behind its length; the prefix is 192.0.2.0/24\n"},
    {"zone: transfer, prefix too long", "transfer = [\"192.0.2.1/33\"]\n",
     "5:13: transfer: '192.0.2.1/33' is no prefix such as \"192.0.2.0/24\" or \"2001:db8::/32\"\n"},
    {"zone: transfer, IPv4 as IPv6", "transfer = [\"::ffff:192.0.2.1\"]\n",
     "5:13: transfer: \"::ffff:192.0.2.1\" is an IPv4 address written as IPv6; write it as IPv4\n"},
    {"zone: transfer, empty table", "transfer = [{}]\n",
     "5:13: transfer: a table needs an address or a key\n"},
    {"zone: transfer, unknown key of a table", "transfer = [{ adress = \"192.0.2.1\" }]\n",
     "5:15: unknown key 'adress' in 'transfer'; did you mean 'address'?\n"},
    {"zone: transfer, key is no text", "transfer = [{ key = 1 }]\n",
     "5:21: transfer: expected the NAME of a section [key.\"NAME\"], got 1\n"},
    {"zone: transfer, a key that there is not",
     "transfer = [{ key = \"xfx\" }]\n[key.xfr]\nsecret = \"AAAA\"\n",
     "5:21: there is no key 'xfx'; did you mean 'xfr'?\n"},
    {"zone: notify, a key when there are none", "notify = [{ address = \"192.0.2.1\", key = \"xfr\" }]\n",
     "5:42: there is no key 'xfr'; there are no sections [key.NAME]\n"},
    {"zone: notify without an address", "notify = [{ key = \"xfr\" }]\n[key.xfr]\nsecret = \"AAAA\"\n",
     "5:11: notify: expected an address such as \"192.0.2.1\" or \"[2001:db8::1]:5353\", got none\n"},
    {"zone: notify to a prefix", "notify = [\"192.0.2.0/24\"]\n",
     "5:11: notify: expected an address such as \"192.0.2.1\" or \"[2001:db8::1]:5353\", got "
     "\"192.0.2.0/24\"\n"},
    {"zone: notify to port 0", "notify = [\"192.0.2.1:0\"]\n",
     "5:11: notify: expected an address such as \"192.0.2.1\" or \"[2001:db8::1]:5353\", got "
     "\"192.0.2.1:0\"\n"},
    {"zone: notify to nowhere", "notify = [\"0.0.0.0\"]\n",
     "5:11: notify: \"0.0.0.0\" is the unspecified address, not that of a server\n"},
    {"zone: notify twice", "notify = [\"192.0.2.1\", \"192.0.2.1:53\"]\n",
     "5:24: notify: 192.0.2.1:53 is given twice, first at 5:11\n"},

    {"cookies: mode", "[cookies]\nmode = \"always\"\n",
     "6:8: mode: expected \"off\", \"on\" or \"required\", got \"always\"\n"},
    {"cookies: unknown key", "[cookies]\nsecret = \"x\"\n",
     "6:1: unknown key 'secret' in [cookies]; did you mean 'secrets'?\n"},
    {"rate_limit: bounds",
     "[rate_limit]\nresponses_per_second = 0\nslip = 101\nprefix_v4 = 0\nprefix_v6 = 129\n",
     "6:24: responses_per_second: expected 1 to 1000000, got 0\n7:8: slip: expected 0 to 100, got 101\n"
     "8:13: prefix_v4: expected 1 to 32, got 0\n9:13: prefix_v6: expected 1 to 128, got 129\n"},
    {"rate_limit: no prefixes", "[rate_limit]\nexempt = [\"192.0.2.1/24\", 7, \"x\"]\n",
     "6:11: exempt: '192.0.2.1/24' has bits behind its length; the prefix is 192.0.2.0/24\n"
     "6:27: exempt: expected a prefix such as \"192.0.2.0/24\", got an integer\n"
     "6:30: exempt: 'x' is no prefix such as \"192.0.2.0/24\" or \"2001:db8::/32\"\n"},

    {"key: no secret", "[key.xfr]\n",
     "5:1: [key.\"xfr\"] has no 'secret'; expected one, or a 'secret_file'\n"},
    {"key: two secrets", "[key.xfr]\nsecret = \"AAAA\"\nsecret_file = \"xfr\"\n",
     "7:15: 'secret' and 'secret_file' exclude each other\n"},
    {"key: no base64", "[key.xfr]\nsecret = \"hush hush hush!!\"\n",
     "6:10: secret: expected a secret in base64: it has a character that base64 does not have\n"},
    {"key: base64 that is cut", "[key.xfr]\nsecret = \"c2VjcmV\"\n",
     "6:10: secret: expected a secret in base64: its length is no multiple of 4\n"},
    {"key: empty secret", "[key.xfr]\nsecret = \"\"\n",
     "6:10: secret: expected a secret in base64, got none\n"},
    {"key: secret is a number", "[key.xfr]\nsecret = 4711\n",
     "6:10: secret: expected a secret in base64, as tsig-keygen prints it, got an integer\n"},
    {"key: MD5", "[key.xfr]\nalgorithm = \"hmac-md5\"\nsecret = \"AAAA\"\n",
     "6:13: algorithm: expected \"hmac-sha256\", \"hmac-sha1\", \"hmac-sha224\", \"hmac-sha384\" or "
     "\"hmac-sha512\", got \"hmac-md5\"\n"},
    {"key: no file", "[key.xfr]\nsecret_file = \"/nonexistent/xfr\"\n",
     "6:15: secret_file: /nonexistent/xfr: cannot read the file: No such file or directory\n"},
    {"key: one name in two spellings", "[key.xfr]\nsecret = \"AAAA\"\n[key.XFR]\nsecret = \"AAAA\"\n",
     "7:6: [key.\"XFR\"] is the same name as [key.\"xfr\"] at 5:6\n"},

    {"check: no type", "[check.web]\nrise = 1\n",
     "5:1: [check.web] has no 'type'; expected \"tcp\", \"http\", \"https\", \"agent\", \"push\", "
     "\"exec\" or \"none\"\n"},
    {"check: type unknown", "[check.web]\ntype = \"HTTP\"\n",
     "6:8: type: expected \"tcp\", \"http\", \"https\", \"agent\", \"push\", \"exec\" or \"none\", got "
     "\"HTTP\"\n"},
    {"check: type is a boolean", "[check.web]\ntype = true\n",
     "6:8: type: expected \"tcp\", \"http\", \"https\", \"agent\", \"push\", \"exec\" or \"none\", got a "
     "boolean\n"},
    {"check: interval without a unit", "[check.web]\ntype = \"http\"\ninterval = 2\n",
     "7:12: interval: expected a duration such as \"2s\", got an integer\n"},
    {"check: interval with a strange unit", "[check.web]\ntype = \"http\"\ninterval = \"2 parsecs\"\n",
     "7:12: interval: expected a duration such as \"2s\", got \"2 parsecs\"\n"},
    {"check: interval too short", "[check.web]\ntype = \"http\"\ninterval = \"99ms\"\n",
     "7:12: interval: expected 100ms to 1h, got \"99ms\"\n"},
    {"check: interval too long", "[check.web]\ntype = \"http\"\ninterval = \"61m\"\n",
     "7:12: interval: expected 100ms to 1h, got \"61m\"\n"},
    {"check: timeout too short", "[check.web]\ntype = \"http\"\ntimeout = \"9ms\"\n",
     "7:11: timeout: expected 10ms to 1m, got \"9ms\"\n"},
    {"check: timeout too long", "[check.web]\ntype = \"http\"\ninterval = \"1h\"\ntimeout = \"61s\"\n",
     "8:11: timeout: expected 10ms to 1m, got \"61s\"\n"},
    {"check: timeout over the interval",
     "[check.web]\ntype = \"http\"\ntimeout = \"2s\"\ninterval = \"1s\"\n",
     "7:11: timeout: expected at most \"1s\" (the interval), got \"2s\"\n"},
    {"check: timeout over the default interval", "[check.web]\ntype = \"http\"\ntimeout = \"2001ms\"\n",
     "7:11: timeout: expected at most \"2s\" (the interval), got \"2001ms\"\n"},
    {"check: slow answers that are failures",
     "[check.web]\ntype = \"http\"\ntimeout = \"500ms\"\nslow = \"500ms\"\n",
     "8:8: slow: expected less than 500ms (the timeout), got \"500ms\"\n"},
    {"check: slow answers over the default timeout", "[check.web]\ntype = \"http\"\nslow = \"50s\"\n",
     "7:8: slow: expected less than 1s (the timeout), got \"50s\"\n"},
    {"check: a hold-down over its limit",
     "[check.web]\ntype = \"http\"\nhold_down = \"10m\"\nhold_down_max = \"1m\"\n",
     "7:13: hold_down: expected at most 1m (hold_down_max), got \"10m\"\n"},
    {"check: a hold-down over its default limit", "[check.web]\ntype = \"http\"\nhold_down = \"301s\"\n",
     "7:13: hold_down: expected at most 5m (hold_down_max), got \"301s\"\n"},
    {"check: reports that are missed before they are due",
     "[check.web]\ntype = \"push\"\ninterval = \"10s\"\nexpiry = \"9999ms\"\n",
     "8:10: expiry: expected at least 10s (the interval), got \"9999ms\"\n"},
    {"check: nobody asks who reports",
     "[check.web]\ntype = \"push\"\n[pool.a]\ncheck = \"web\"\nendpoints = [\"192.0.2.1\", { address = "
     "\"192.0.2.2\", check_port = 80, check_address = \"192.0.2.3\" }]\n",
     "9:52: 'check_port' is for endpoints that are probed; those with check 'web', of type \"push\", report "
     "by "
     "themselves\n9:69: 'check_address' is for endpoints that are probed; those with check 'web', of type "
     "\"push\", report by themselves\n"},
    {"check: timeout is not held against a bad interval",
     "[check.web]\ntype = \"http\"\ntimeout = \"1m\"\ninterval = \"1ms\"\n",
     "8:12: interval: expected 100ms to 1h, got \"1ms\"\n"},
    {"check: a status that no response ends with", "[check.web]\ntype = \"http\"\nexpect = 101\n",
     "7:10: expect: expected a status such as 200 or a range such as \"200-399\" within 200 to 599, got "
     "101\n"},
    {"check: a range that begins with some", "[check.web]\ntype = \"http\"\nexpect = [\"100-299\"]\n",
     "7:11: expect: expected a status such as 200 or a range such as \"200-399\" within 200 to 599, got "
     "\"100-299\"\n"},
    {"check: rise 0", "[check.web]\ntype = \"http\"\nrise = 0\n", "7:8: rise: expected 1 to 100, got 0\n"},
    {"check: rise 101", "[check.web]\ntype = \"http\"\nrise = 101\n",
     "7:8: rise: expected 1 to 100, got 101\n"},
    {"check: rise 2.0", "[check.web]\ntype = \"http\"\nrise = 2.0\n",
     "7:8: rise: expected an integer, got a floating-point number\n"},
    {"check: fall -1", "[check.web]\ntype = \"http\"\nfall = -1\n", "7:8: fall: expected 1 to 100, got -1\n"},
    {"check: fall as text", "[check.web]\ntype = \"http\"\nfall = \"3\"\n",
     "7:8: fall: expected an integer, got a string\n"},
    {"check: port 0", "[check.web]\ntype = \"http\"\nport = 0\n", "7:8: port: expected 1 to 65535, got 0\n"},
    {"check: port 65536", "[check.web]\ntype = \"tcp\"\nport = 65536\n",
     "7:8: port: expected 1 to 65535, got 65536\n"},
    {"check: tcp without a port", "[check.web]\ntype = \"tcp\"\n",
     "5:1: [check.web] has no 'port'; a tcp check needs one, 1 to 65535\n"},
    {"check: tcp with the keys of http",
     "[check.web]\ntype = \"tcp\"\nport = 1\npath = \"/\"\nhost = \"a\"\nexpect = 200\n",
     "8:1: 'path' is for checks of type \"http\" or \"https\", this one is \"tcp\"\n"
     "9:1: 'host' is for checks of type \"http\" or \"https\", this one is \"tcp\"\n"
     "10:1: 'expect' is for checks of type \"http\" or \"https\", this one is \"tcp\"\n"},
    {"check: path without a slash", "[check.web]\ntype = \"http\"\npath = \"healthz\"\n",
     "7:8: path: expected a path that begins with \"/\", got \"healthz\"\n"},
    {"check: path with a space", "[check.web]\ntype = \"http\"\npath = \"/a b\"\n",
     "7:8: path: expected a path without spaces, '#' and other characters than ASCII (write them as %XX), "
     "got "
     "\"/a b\"\n"},
    {"check: path beyond ASCII", "[check.web]\ntype = \"http\"\npath = \"/\xC3\xA4\"\n",
     "7:8: path: expected a path without spaces, '#' and other characters than ASCII (write them as %XX), "
     "got "
     "\"/\xC3\xA4\"\n"},
    {"check: path with a header in it", "[check.web]\ntype = \"http\"\npath = \"/\\r\\nX: y\"\n",
     "7:8: path: expected a text without control characters, got \"/\\u000D\\u000AX: y\"\n"},
    {"check: empty host", "[check.web]\ntype = \"http\"\nhost = \"\"\n",
     "7:8: host: expected a host such as \"shop.example\" or \"[2001:db8::1]:8080\", got \"\"\n"},
    {"check: host with a path", "[check.web]\ntype = \"http\"\nhost = \"a/b\"\n",
     "7:8: host: expected a host such as \"shop.example\" or \"[2001:db8::1]:8080\", got \"a/b\"\n"},
    {"check: host with a bad port", "[check.web]\ntype = \"http\"\nhost = \"a:99999\"\n",
     "7:8: host: expected a host such as \"shop.example\" or \"[2001:db8::1]:8080\", got \"a:99999\"\n"},
    {"check: host with half a bracket", "[check.web]\ntype = \"http\"\nhost = \"[::1\"\n",
     "7:8: host: expected a host such as \"shop.example\" or \"[2001:db8::1]:8080\", got \"[::1\"\n"},
    {"check: expect out of bounds", "[check.web]\ntype = \"http\"\nexpect = 99\n",
     "7:10: expect: expected a status such as 200 or a range such as \"200-399\" within 200 to 599, got "
     "99\n"},
    {"check: expect backwards", "[check.web]\ntype = \"http\"\nexpect = \"300-200\"\n",
     "7:10: expect: expected a status such as 200 or a range such as \"200-399\" within 200 to 599, got "
     "\"300-200\"\n"},
    {"check: expect in words",
     "[check.web]\ntype = \"http\"\nexpect = [200, \"ok\", \"200-\", \"200-600\"]\n",
     "7:16: expect: expected a status such as 200 or a range such as \"200-399\" within 200 to 599, got "
     "\"ok\"\n"
     "7:22: expect: expected a status such as 200 or a range such as \"200-399\" within 200 to 599, got "
     "\"200-\"\n"
     "7:30: expect: expected a status such as 200 or a range such as \"200-399\" within 200 to 599, got "
     "\"200-600\"\n"},
    {"check: expect nothing", "[check.web]\ntype = \"http\"\nexpect = []\n",
     "7:10: expect: expected at least one, got none\n"},
    {"check: exec without a command", "[check.db]\ntype = \"exec\"\n",
     "5:1: [check.db] has no 'command'; expected an array of a program's path and its arguments such as "
     "[\"/usr/bin/pg_isready\", \"--quiet\"]\n"},
    {"check: exec with a shell's line", "[check.db]\ntype = \"exec\"\ncommand = \"/bin/true; rm x\"\n",
     "7:11: command: expected an array of a program's path and its arguments such as "
     "[\"/usr/bin/pg_isready\", \"--quiet\"], got a string\n"},
    {"check: exec with nothing", "[check.db]\ntype = \"exec\"\ncommand = []\n",
     "7:11: command: expected at least one, got none\n"},
    {"check: exec with a number and a zero octet",
     "[check.db]\ntype = \"exec\"\ncommand = [\"/bin/sh\", 7, \"a\\u0000b\"]\n",
     "7:23: command: expected a string, got an integer\n"
     "7:26: command: expected at most 4095 octets, and none of them 0, got \"a\\u0000b\"\n"},
    {"check: exec of a relative path", "[check.db]\ntype = \"exec\"\ncommand = [\"check\"]\n",
     "7:12: command: expected an absolute path such as \"/usr/bin/pg_isready\" first, got \"check\"\n"},
    {"check: command of another type", "[check.db]\ntype = \"http\"\ncommand = [\"/bin/sh\"]\n",
     "7:1: 'command' is for checks of type \"exec\", this one is \"http\"\n"},

    {"check: agent without a port", "[check.web]\ntype = \"agent\"\n",
     "5:1: [check.web] has no 'port'; an agent check needs one, 1 to 65535\n"},
    {"check: push with the keys of probes",
     "[check.web]\ntype = \"push\"\nport = 1\ntimeout = \"1s\"\naddress = \"192.0.2.1\"\n",
     "7:1: 'port' is for checks of type \"tcp\", \"http\", \"https\", \"agent\" or \"exec\", this one is "
     "\"push\"\n"
     "8:1: 'timeout' is for checks of type \"tcp\", \"http\", \"https\", \"agent\" or \"exec\", this one is "
     "\"push\"\n"
     "9:1: 'address' is for checks of type \"tcp\", \"http\", \"https\", \"agent\" or \"exec\", this one is "
     "\"push\"\n"},
    {"check: none with the keys of others",
     "[check.web]\ntype = \"none\"\nport = 1\ninterval = \"1s\"\nfall = 2\n",
     "7:1: 'port' is for checks of type \"tcp\", \"http\", \"https\", \"agent\" or \"exec\", this one is "
     "\"none\"\n"
     "8:1: 'interval' is for checks of type \"tcp\", \"http\", \"https\", \"agent\", \"push\" or \"exec\", "
     "this "
     "one is \"none\"\n"
     "9:1: 'fall' is for checks of type \"tcp\", \"http\", \"https\", \"agent\", \"push\" or \"exec\", this "
     "one "
     "is \"none\"\n"},
    {"check: http with the keys of https and push",
     "[check.web]\ntype = \"http\"\nverify = true\nca = \"/nonexistent\"\nsni = \"a\"\nexpiry = \"1s\"\n"
     "token = \"hush\"\n",
     "7:1: 'verify' is for checks of type \"https\", this one is \"http\"\n"
     "8:1: 'ca' is for checks of type \"https\", this one is \"http\"\n"
     "9:1: 'sni' is for checks of type \"https\", this one is \"http\"\n"
     "10:1: 'expiry' is for checks of type \"push\", this one is \"http\"\n"
     "11:1: 'token' is for checks of type \"push\", this one is \"http\"\n"},
    {"check: address that is none", "[check.web]\ntype = \"http\"\naddress = \"a b\"\n",
     "7:11: address: expected an IP address such as \"192.0.2.1\" or \"2001:db8::1\", or a host name such as "
     "\"edge.cdn.example.\", got \"a b\"\n"},
    {"check: address that no server has", "[check.web]\ntype = \"http\"\naddress = \"224.0.0.1\"\n",
     "7:11: address: \"224.0.0.1\" is a multicast address\n"},
    {"check: method that is none", "[check.web]\ntype = \"http\"\nmethod = \"GET /\"\n",
     "7:10: method: expected a method such as \"GET\" or \"HEAD\", got \"GET /\"\n"},
    {"check: method CONNECT", "[check.web]\ntype = \"http\"\nmethod = \"CONNECT\"\n",
     "7:10: method: expected a method such as \"GET\" or \"HEAD\", got \"CONNECT\"\n"},
    {"check: headers that are ours",
     "[check.web]\ntype = \"http\"\n[check.web.headers]\nHOST = \"a\"\nconnection = \"close\"\n"
     "Content-Length = \"0\"\nTransfer-Encoding = \"chunked\"\n",
     "8:1: headers: 'HOST': the key 'host' is for it\n"
     "9:1: headers: 'connection': it is set by us, as a probe has no body and one request to a connection\n"
     "10:1: headers: 'Content-Length': it is set by us, as a probe has no body and one request to a "
     "connection\n"
     "11:1: headers: 'Transfer-Encoding': it is set by us, as a probe has no body and one request to a "
     "connection\n"},
    {"check: headers that are none",
     "[check.web]\ntype = \"http\"\n[check.web.headers]\n\"a b\" = \"1\"\n\"\" = \"2\"\nA = 3\n"
     "B = \"hush\\r\\nC: d\"\na = \"4\"\nAccept = \"5\"\naccept = \"6\"\n",
     "8:1: headers: 'a b': expected the name of a header field such as Accept\n"
     "9:1: headers: '': expected the name of a header field such as Accept\n"
     "10:5: headers: 'A': expected a string, got an integer\n"
     "11:5: headers: 'B': expected a text without control characters\n"
     "14:1: headers: 'accept' is given twice, first at 13:1\n"},
    {"check: headers as an array", "[check.web]\ntype = \"http\"\nheaders = [\"A: b\"]\n",
     "7:11: headers: expected a table of header fields such as { Accept = \"text/plain\" }, got an array\n"},
    {"check: two bodies", "[check.web]\ntype = \"http\"\nbody = \"ok\"\nbody_regex = \"ok\"\n",
     "8:14: 'body' and 'body_regex' exclude each other\n"},
    {"check: body of HEAD", "[check.web]\ntype = \"http\"\nbody = \"ok\"\nmethod = \"HEAD\"\n",
     "7:8: body: a response to HEAD has no body\n"},
    {"check: empty body", "[check.web]\ntype = \"http\"\nbody = \"\"\n",
     "7:8: body: expected a text that is not empty, got \"\"\n"},
    {"check: a pattern that is none", "[check.web]\ntype = \"http\"\nbody_regex = \"(ok\"\n",
     "7:14: body_regex: not a regular expression: missing ): (ok\n"},
    {"check: a pattern that looks back", "[check.web]\ntype = \"http\"\nbody_regex = '(a)\\1'\n",
     "7:14: body_regex: not a regular expression: invalid escape sequence: \\1\n"},
    {"check: a pattern that is too large", "[check.web]\ntype = \"http\"\nbody_regex = '[\\pL\\pN]{300}'\n",
     "7:14: body_regex: not a regular expression: pattern too large - compile failed\n"},
    {"check: verify as text", "[check.web]\ntype = \"https\"\nverify = \"no\"\n",
     "7:10: verify: expected true or false, got a string\n"},
    {"check: no such authorities", "[check.web]\ntype = \"https\"\nca = \"/nonexistent/ca.pem\"\n",
     "7:6: ca: /nonexistent/ca.pem: cannot read the file: No such file or directory\n"},
    {"check: authorities that nobody asks",
     "[check.web]\ntype = \"https\"\nca = \"/nonexistent/ca.pem\"\nverify = false\n",
     "7:6: 'ca' is of no use with verify = false\n"},
    {"check: sni with a port", "[check.web]\ntype = \"https\"\nsni = \"a.example:443\"\n",
     "7:7: sni: expected a host name such as \"www.shop.example\", got \"a.example:443\"\n"},
    {"check: sni that is an address", "[check.web]\ntype = \"https\"\nsni = \"192.0.2.1\"\n",
     "7:7: sni: expected a host name such as \"www.shop.example\", got \"192.0.2.1\"\n"},
    {"check: token with a space", "[check.web]\ntype = \"push\"\ntoken = \"hush hush\"\n",
     "7:9: token: expected a token of letters, digits and \"-._~+/\" (RFC 6750, 2.1)\n"},
    {"check: two tokens", "[check.web]\ntype = \"push\"\ntoken = \"hush\"\ntoken_file = \"/nonexistent\"\n",
     "8:14: 'token' and 'token_file' exclude each other\n"},
    {"check: no such token file", "[check.web]\ntype = \"push\"\ntoken_file = \"/nonexistent\"\n",
     "7:14: token_file: /nonexistent: cannot read the file: No such file or directory\n"},

    {"pool: what is probed",
     "[pool.v1]\nendpoints = [{ address = \"192.0.2.1\", check_address = \"x\", check_port = 0 },\n"
     "{ address = \"192.0.2.2\", check_address = \"0.0.0.0\", check_port = \"80\" }]\n",
     "6:55: check_address: expected an IP address such as \"192.0.2.1\" or \"2001:db8::1\", or a host name "
     "such "
     "as \"edge.cdn.example.\", got \"x\"\n"
     "6:73: check_port: expected 1 to 65535, got 0\n"
     "7:42: check_address: \"0.0.0.0\" is the unspecified address, not that of a server\n"
     "7:66: check_port: expected an integer, got a string\n"},
    {"pool: no endpoints", "[pool.v1]\n",
     "5:1: [pool.v1] has no 'endpoints'; expected an array of addresses such as [\"192.0.2.1\", { address = "
     "\"2001:db8::1\", weight = 2 }], or of host names such as [\"edge.example.\", { host = "
     "\"backup.example.\", "
     "weight = 2 }]\n"},
    {"pool: empty endpoints", "[pool.v1]\nendpoints = []\n",
     "6:13: endpoints: expected at least one, got none\n"},
    {"pool: one endpoint, no array", "[pool.v1]\nendpoints = \"192.0.2.1\"\n",
     "6:13: endpoints: expected an array of addresses such as [\"192.0.2.1\", { address = \"2001:db8::1\", "
     "weight "
     "= 2 }], or of host names such as [\"edge.example.\", { host = \"backup.example.\", weight = 2 }], got "
     "a "
     "string\n"},
    {"pool: addresses that are none",
     "[pool.v1]\nendpoints = [\"192.0.2.256\", \"192.0.2.1:80\", \"web\", 5]\n",
     "6:14: endpoints: expected an IP address such as \"192.0.2.1\" or \"2001:db8::1\", or a host name such "
     "as "
     "\"edge.cdn.example.\", got \"192.0.2.256\"\n"
     "6:29: endpoints: expected an IP address such as \"192.0.2.1\" or \"2001:db8::1\", or a host name such "
     "as "
     "\"edge.cdn.example.\", got \"192.0.2.1:80\"\n"
     "6:45: endpoints: expected an IP address such as \"192.0.2.1\" or \"2001:db8::1\", or a host name such "
     "as "
     "\"edge.cdn.example.\", got \"web\"\n"
     "6:52: endpoints: expected an IP address such as \"192.0.2.1\" or \"2001:db8::1\", or a host name such "
     "as "
     "\"edge.cdn.example.\", got 5\n"},
    {"pool: addresses that no server has",
     "[pool.v1]\nendpoints = [\"0.0.0.0\", \"::\", \"224.0.0.1\",\n\"ff02::1\", \"::ffff:192.0.2.1\", "
     "\"255.255.255.255\"]\n",
     "6:14: endpoints: \"0.0.0.0\" is the unspecified address, not that of a server\n"
     "6:25: endpoints: \"::\" is the unspecified address, not that of a server\n"
     "6:31: endpoints: \"224.0.0.1\" is a multicast address\n"
     "7:1: endpoints: \"ff02::1\" is a multicast address\n"
     "7:12: endpoints: \"::ffff:192.0.2.1\" is an IPv4 address written as IPv6; write it as IPv4\n"
     "7:32: endpoints: \"255.255.255.255\" is the broadcast address\n"},
    {"pool: an address twice", "[pool.v1]\nendpoints = [\"2001:db8::1\", { address = \"2001:DB8:0::1\" }]\n",
     "6:29: endpoints: 2001:db8::1 is given twice, first at 6:14\n"},
    {"pool: endpoints of the wrong shape",
     "[pool.v1]\nendpoints = [{ weight = 1 }, { address = \"192.0.2.1\", wieght = 2 }, { address = 3 }, { "
     "foo = 1 }]\n",
     "6:14: endpoints: an endpoint needs an address or a host\n"
     "6:55: unknown key 'wieght' of an endpoint; did you mean 'weight'?\n"
     "6:81: endpoints: expected an IP address such as \"192.0.2.1\" or \"2001:db8::1\", got 3\n"
     "6:86: endpoints: an endpoint needs an address or a host\n"
     "6:88: unknown key 'foo' of an endpoint; known are address, host, weight, check_address, check_port\n"},
    {"pool: weights of endpoints",
     "[pool.v1]\nendpoints = [{ address = \"192.0.2.1\", weight = -1 },\n{ address = \"192.0.2.2\", weight = "
     "nan },\n"
     "{ address = \"192.0.2.3\", weight = \"1\" }]\n",
     "6:48: the weight of 192.0.2.1 has to be 0 or more, got -1\n"
     "7:35: the weight of 192.0.2.2 has to be a finite number, got nan\n"
     "8:35: the weight of 192.0.2.3: expected a number, got a string\n"},
    {"pool: all weights 0", "[pool.v1]\nendpoints = [{ address = \"192.0.2.1\", weight = 0 }]\n",
     "6:13: endpoints: all weights are 0; at least one has to be above 0\n"},
    {"pool: check is no text", "[pool.v1]\nendpoints = [\"192.0.2.1\"]\ncheck = 1\n",
     "7:9: check: expected a string, got an integer\n"},

    {"steer: no pools", "[steer.\"www.shop.example\"]\nttl = \"1s\"\n",
     "5:1: [steer.\"www.shop.example\"] has no 'pools'; expected a table of pools and their weights such as "
     "{ v1 = "
     "95, v2 = 5 }\n"},
    {"steer: pools as an array", "[steer.\"www.shop.example\"]\npools = [\"v1\"]\n",
     "6:9: pools: expected a table of pools and their weights such as { v1 = 95, v2 = 5 }, got an array\n"},
    {"steer: empty pools", "[steer.\"www.shop.example\"]\npools = {}\n",
     "6:9: pools: expected 1 to 4096 pools, got 0\n"},
};

const char* const one_pool = "[pool.v1]\nendpoints = [\"192.0.2.1\"]\n[steer.\"www.shop.example\"]\n";

// Stand after `head` and `one_pool`, so they begin at line 8.
const Case bad_steers[] = {
    {"weights negative and infinite",
     "pools = { v1 = -1, v2 = inf }\n[pool.v2]\nendpoints = [\"192.0.2.2\"]\n",
     "8:16: the weight of 'v1' has to be 0 or more, got -1\n"
     "8:25: the weight of 'v2' has to be a finite number, got inf\n"},
    {"weight as text", "pools = { v1 = \"50%\" }\n",
     "8:16: the weight of 'v1': expected a number, got a string\n"},
    {"weights all 0", "pools = { v1 = 0 }\n",
     "8:9: pools: all weights are 0; at least one has to be above 0\n"},
    {"weights all 0 in a section", "[steer.\"www.shop.example\".pools]\nv1 = 0.0\n",
     "8:1: pools: all weights are 0; at least one has to be above 0\n"},
    {"weights too large", "pools = { v1 = 1e308, v2 = 1e308 }\n[pool.v2]\nendpoints = [\"192.0.2.2\"]\n",
     "8:9: pools: the weights are too large to be added up\n"},
    {"ttl too long", "pools = { v1 = 1 }\nttl = \"8d\"\n", "9:7: ttl: expected 0s to 7d, got \"8d\"\n"},
    {"ttl not in seconds", "pools = { v1 = 1 }\nttl = \"1500ms\"\n",
     "9:7: ttl: expected whole seconds, got \"1500ms\"\n"},
    {"ttl a number", "pools = { v1 = 1 }\nttl = 30\n",
     "9:7: ttl: expected a duration such as \"30s\", got an integer\n"},
    {"answers 0", "pools = { v1 = 1 }\nanswers = 0\n", "9:11: answers: expected 1 to 64, got 0\n"},
    {"answers 65", "pools = { v1 = 1 }\nanswers = 65\n", "9:11: answers: expected 1 to 64, got 65\n"},
    {"method planned", "pools = { v1 = 1 }\nmethod = \"balanced\"\n",
     "9:10: method: \"balanced\" is not supported yet; expected \"random\" or \"sticky\"\n"},
    {"method unknown", "pools = { v1 = 1 }\nmethod = \"stick\"\n",
     "9:10: method: expected \"random\" or \"sticky\", got \"stick\"\n"},
    {"subnets", "pools = { v1 = 1 }\nsubnet_v4 = 33\nsubnet_v6 = 129\n",
     "9:13: subnet_v4: expected 0 to 32, got 33\n10:13: subnet_v6: expected 0 to 128, got 129\n"},
    {"a pool that does not exist", "pools = { v1 = 1, blue = 2 }\n", "8:19: there is no pool 'blue'\n"},
    {"a pool that nearly exists", "pools = { v11 = 1 }\n",
     "8:11: there is no pool 'v11'; did you mean 'v1'?\n"},
    {"the same name again", "pools = { v1 = 1 }\n[steer.\"WWW.Shop.Example.\"]\npools = { v1 = 1 }\n",
     "9:8: [steer.\"WWW.Shop.Example.\"] is the same name as [steer.\"www.shop.example\"] at 7:8\n"},
    {"a name outside", "pools = { v1 = 1 }\n[steer.\"www.notshop.example\"]\npools = { v1 = 1 }\n",
     "9:8: 'www.notshop.example' is outside every zone; expected a name at or below the apex of one, such as "
     "shop.example.\n"},
    {"a name that is none", "pools = { v1 = 1 }\n[steer.\"www..shop.example\"]\npools = { v1 = 1 }\n",
     "9:8: 'www..shop.example' is not a domain name: a label is empty\n"},
    {"a name without quotes", "pools = { v1 = 1 }\n[steer.a.shop.example]\npools = { v1 = 1 }\n",
     "9:8: a name with dots stands in quotes: [steer.\"a.shop.example\"]\n"},
};

const Case bad_names[] = {
    {"unknown key, nearly known", "[check.web]\ntype = \"http\"\nintervall = \"1s\"\n",
     "7:1: unknown key 'intervall' in [check.web]; did you mean 'interval'?\n"},
    {"unknown key, not near any", "[admin]\ncolour = 1\n",
     "6:1: unknown key 'colour' in [admin]; known are socket, http\n"},
    {"unknown key with a line break", "[admin]\n\"a\\nb\" = 1\n",
     "6:1: unknown key 'a\\u000Ab' in [admin]; known are socket, http\n"},
    {"unknown section, nearly known", "[chek.web]\ntype = \"http\"\n",
     "5:2: unknown section [chek]; did you mean 'check'?\n"},
    {"unknown section, not near any", "[weather]\n",
     "5:2: unknown section [weather]; known are server, admin, cookies, rate_limit, tcp, tls, zone, key, "
     "check, analysis, notify, hook, rollout, safety, pool, class, steer\n"},
    {"a section as an array", "[[admin]]\n", "5:3: admin: expected the section [admin], got an array\n"},
    {"a named section without a name", "[pool]\nendpoints = [\"192.0.2.1\"]\n",
     "6:1: 'endpoints' in [pool]: expected a section [pool.NAME], got an array\n"},
    {"a check's name", "[check.\"a b\"]\ntype = \"http\"\n",
     "5:8: 'a b' is no name of a check: expected 1 to 63 letters, digits, '-', '_' and '.'\n"},
    {"a pool's empty name", "[pool.\"\"]\nendpoints = [\"192.0.2.1\"]\n",
     "5:7: '' is no name of a pool: expected 1 to 63 letters, digits, '-', '_' and '.'\n"},
    {"a pool's long name",
     "[pool.a23456789012345678901234567890123456789012345678901234567890abcd]\nendpoints = [\"192.0.2.1\"]\n",
     "5:7: 'a23456789012345678901234567890123456789012345678901234567890abcd' is no name of a pool: expected "
     "1 to "
     "63 letters, digits, '-', '_' and '.'\n"},
    {"a check that does not exist", "[pool.v1]\nendpoints = [\"192.0.2.1\"]\ncheck = \"web\"\n",
     "7:9: there is no check 'web'; there are no sections [check.NAME]\n"},
    {"a check that nearly exists",
     "[check.web]\ntype = \"http\"\n[pool.v1]\nendpoints = [\"192.0.2.1\"]\ncheck = \"wbe1\"\n",
     "9:9: there is no check 'wbe1'\n"},
    {"a check one letter off",
     "[check.web]\ntype = \"http\"\n[pool.v1]\nendpoints = [\"192.0.2.1\"]\ncheck = \"wb\"\n",
     "9:9: there is no check 'wb'; did you mean 'web'?\n"},
    {"a zone twice", "[zone.\"SHOP.example.\"]\nfile = \"x\"\n",
     "5:7: [zone.\"SHOP.example.\"] is the same name as [zone.\"shop.example\"] at 3:7\n"},
    {"a zone's bad name", "[zone.\"a..b\"]\nfile = \"x\"\n",
     "5:7: 'a..b' is not a domain name: a label is empty\n"},
    {"a zone's empty name", "[zone.\"\"]\nfile = \"x\"\n", "5:7: '' is not a domain name: it is empty\n"},
    {"a wildcard zone", "[zone.\"*.example\"]\nfile = \"x\"\n",
     "5:7: '*.example' is a wildcard; expected the apex of a zone\n"},
    {"a zone's name without quotes", "[zone.other.example]\nfile = \"x\"\n",
     "5:7: a name with dots stands in quotes: [zone.\"other.example\"]\n"},
};

// Whole files.
const Case bad_files[] = {
    {"empty", "", "0:0: the section [server] is missing\n0:0: the section [zone.\"NAME\"] is missing\n"},
    {"no zone", "[server]\nlisten = [\"127.0.0.1:53\"]\n", "0:0: the section [zone.\"NAME\"] is missing\n"},
    {"empty zone table", "[zone]\n[server]\nlisten = [\"127.0.0.1:53\"]\n",
     "1:1: expected at least one section [zone.\"NAME\"]\n"},
    {"no listen", "# a comment\n[server]\n[zone.example]\nfile = \"x\"\n",
     "2:1: [server] has no 'listen'; expected an array of ADDRESS:PORT strings such as [\"127.0.0.1:53\", "
     "\"[::1]:53\"]\n"},
    {"keys before any section",
     "listen = [\"127.0.0.1:53\"]\nfoo = 1\n[server]\nlisten = [\"127.0.0.1:53\"]\n[zone.example]\nfile = "
     "\"x\"\n",
     "1:1: 'listen' stands before any section; it belongs below [server]\n2:1: 'foo' stands before any "
     "section\n"},
    {"listen: what it may not be",
     "[zone.example]\nfile = \"x\"\n[server]\nlisten = [\"127.0.0.1:53\", \"127.0.0.1:53\", \"::1\", 53, "
     "\"[ff02::1]:53\",\n"
     "\"[::ffff:127.0.0.1]:53\"]\n",
     "4:27: listen: 127.0.0.1:53 is given twice, first at 4:11\n"
     "4:43: listen: expected ADDRESS:PORT such as \"127.0.0.1:53\" or \"[::1]:53\", got \"::1\"\n"
     "4:50: listen: expected ADDRESS:PORT such as \"127.0.0.1:53\" or \"[::1]:53\", got an integer\n"
     "4:54: listen: \"[ff02::1]:53\" is a multicast address\n"
     "5:1: listen: \"[::ffff:127.0.0.1]:53\" is an IPv4 address written as IPv6; write it as IPv4\n"},
    {"listen: empty", "[zone.example]\nfile = \"x\"\n[server]\nlisten = []\n",
     "4:10: listen: expected at least one, got none\n"},
    {"listen: no array", "[zone.example]\nfile = \"x\"\n[server]\nlisten = \"127.0.0.1:53\"\n",
     "4:10: listen: expected an array of ADDRESS:PORT strings such as [\"127.0.0.1:53\", \"[::1]:53\"], got "
     "a string\n"},
    {"server: the rest",
     "[zone.example]\nfile = \"x\"\n[server]\nlisten = [\"127.0.0.1:53\"]\nworkers = 257\nstate = \"\"\nuser "
     "= 5\n",
     "5:11: workers: expected 0 to 256, got 257\n"
     "6:9: state: expected a text that is not empty, got \"\"\n"
     "7:8: user: expected a string, got an integer\n"},
    {"syntax: a key twice", "[server]\nworkers = 1\nworkers = 2\n",
     "3:11: TOML syntax, key-value pair: cannot redefine existing integer 'workers'\n"},
    {"syntax: a section twice", "[server]\n[server]\n",
     "2:1: TOML syntax, table header: cannot redefine existing table 'server'\n"},
    {"syntax: no quotes", "[check.web]\ninterval = 2s\n",
     "2:13: TOML syntax, decimal integer: expected digit, saw 's'; texts, addresses and durations stand in "
     "quotes (\"2s\")\n"},
    {"syntax: no value",
     "[server]\nlisten =", "2:9: TOML syntax, key-value pair: encountered the end of the file\n"},
    {"not UTF-8", "a = \"\xFF\"\n", "1:5: the file is not UTF-8 text\n"},
    {"several errors, in the order of the file",
     "[steer.\"www.shop.example\"]\nmethod = \"balanced\"\npools = { v2 = 1 }\n"
     "[pool.v1]\ncheck = \"web\"\nendpoints = [\"localhost\"]\n"
     "[zone.\"shop.example\"]\n"
     "[server]\nlisen = []\n",
     "2:10: method: \"balanced\" is not supported yet; expected \"random\" or \"sticky\"\n"
     "3:11: there is no pool 'v2'; did you mean 'v1'?\n"
     "5:9: there is no check 'web'; there are no sections [check.NAME]\n"
     "6:14: endpoints: expected an IP address such as \"192.0.2.1\" or \"2001:db8::1\", or a host name such "
     "as "
     "\"edge.cdn.example.\", got \"localhost\"\n"
     "7:1: [zone.\"shop.example\"] has no 'file'; expected a path as a string\n"
     "8:1: [server] has no 'listen'; expected an array of ADDRESS:PORT strings such as [\"127.0.0.1:53\", "
     "\"[::1]:53\"]\n"
     "9:1: unknown key 'lisen' in [server]; did you mean 'listen'?\n"},
};

// `errors` is what the errors begin with.
void check_first_errors(const std::string& after_head, const std::string& errors) {
  CHECK(text_of(load_after_head(after_head).errors).substr(0, errors.size()) == errors);
}

void check_cases(std::span<const Case> cases, const std::string& before) {
  for (const auto& [name, text, errors] : cases) {
    CAPTURE(std::string(name));
    const auto result = load_text(before + text, "sluice.toml");
    CHECK(text_of(result.errors) == std::string(errors));
    CHECK(!result.config);
  }
}

}  // namespace

TEST_CASE("bad values") { check_cases(bad_values, std::string(head)); }
TEST_CASE("bad steers") { check_cases(bad_steers, std::string(head) + one_pool); }
TEST_CASE("bad names and references") { check_cases(bad_names, std::string(head)); }
TEST_CASE("bad files") { check_cases(bad_files, ""); }

TEST_CASE("lists have limits") {
  std::string endpoints, weights;
  for (int i = 0; i < 4097; ++i) {
    endpoints += fmt::format("\"10.0.{}.{}\", ", i / 256, i % 256);
    weights += fmt::format("{}v{} = 1", i == 0 ? "" : ", ", i);
  }
  check_first_errors(fmt::format("[pool.v1]\nendpoints = [{}]\n", endpoints),
                     "6:13: endpoints: expected at most 4096, got 4097\n");
  check_first_errors(
      fmt::format("[steer.\"shop.example\"]\npools = {{ {} }}\n[pool.v0]\nendpoints = [\"192.0.2.1\"]\n",
                  weights),
      "6:9: pools: expected 1 to 4096 pools, got 4097\n");
  check_first_errors(
      fmt::format("[admin]\nsocket = \"{}\"\n", std::string(4096, 'a')),
      fmt::format("6:10: socket: expected at most 4095 octets, got \"{}...\"\n", std::string(100, 'a')));
  std::string arguments, long_arguments;
  for (int i = 0; i < 64; ++i) arguments += ", \"\"";
  for (int i = 0; i < 9; ++i) long_arguments += fmt::format(", \"{}\"", std::string(4000, 'a'));
  check_first_errors(fmt::format("[check.db]\ntype = \"exec\"\ncommand = [\"/bin/sh\"{}]\n", arguments),
                     "7:11: command: expected at most 64, got 65\n");
  check_first_errors(fmt::format("[check.db]\ntype = \"exec\"\ncommand = [\"/bin/sh\"{}]\n", long_arguments),
                     "7:11: command: expected at most 32768 octets in all, got 36007\n");
}

TEST_CASE("errors carry the file's name as it was given") {
  const auto result = load_text("[server]\n", "etc/sluice.toml");
  REQUIRE(!result.errors.empty());
  CHECK(result.errors[0].file == "etc/sluice.toml");
}

// The two tests below hold for rows that are yet to be written.

TEST_CASE("every key refuses a value of the wrong type, at the value") {
  for (const auto& row : key_rows()) {
    CAPTURE(full_name(row));
    const auto& section = row_of(row.section);
    const auto text =
        fmt::format("[{}{}]\n{} = 2001-01-01\n", section.name, section.named ? ".example" : "", row.key);
    const auto result = load_text(text, "sluice.toml");
    const auto at_value = Position{2, static_cast<std::uint32_t>(row.key.size() + 4)};
    const auto found = std::find_if(result.errors.begin(), result.errors.end(),
                                    [&](const Diagnostic& error) { return error.at == at_value; });
    REQUIRE(found != result.errors.end());
    CHECK(found->message.starts_with(fmt::format("{}: expected ", row.key)));
    CHECK(found->message.ends_with("got a date"));
  }
}

TEST_CASE("every integer refuses what is just beyond its bounds") {
  for (const auto& row : key_rows()) {
    if (row.type != Type::integer) continue;
    CAPTURE(full_name(row));
    REQUIRE(row.bounds);
    const auto& section = row_of(row.section);
    for (const auto beyond :
         {std::stoll(std::string(row.bounds->least)) - 1, std::stoll(std::string(row.bounds->most)) + 1}) {
      const auto text =
          fmt::format("[{}{}]\n{} = {}\n", section.name, section.named ? ".example" : "", row.key, beyond);
      const auto errors = text_of(load_text(text, "sluice.toml").errors);
      const auto wanted = fmt::format("2:{}: {}: expected {} to {}, got {}\n", row.key.size() + 4, row.key,
                                      row.bounds->least, row.bounds->most, beyond);
      CHECK_MESSAGE(errors.find(wanted) != errors.npos, errors);
    }
  }
}

}  // namespace sluice::config
