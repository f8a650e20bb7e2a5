"""The part of nsd.conf that all of our runs of NSD have."""


def server_section(address, port, folder, more=""):
    """One process, all files in `folder`, minimal responses, and no limit to the rate, which Debian's NSD has else (200 a second). `more`: further
    lines of the section."""
    return f"""server:
  ip-address: {address}@{port}
  server-count: 1
  username: ""
  zonesdir: "{folder}"
  database: ""
  zonelistfile: "{folder}/zone.list"
  pidfile: "{folder}/nsd.pid"
  xfrdfile: "{folder}/xfrd.state"
  xfrdir: "{folder}"
  minimal-responses: yes
  rrl-ratelimit: 0
  rrl-whitelist-ratelimit: 0
{more}remote-control:
  control-enable: no
"""
