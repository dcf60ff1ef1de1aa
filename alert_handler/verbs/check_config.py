"""check-config: build everything that the configuration names, and say what it is."""

import argparse

from alert_handler import config as configuration
from alert_handler.handler import store_path
from alert_handler.plugins import build_channels, build_remediations
from chassis import flags, web


def run(arguments: argparse.Namespace) -> str:
    """One line about a valid configuration.

    Raises:
        ConfigInvalid: it cannot be used.
    """
    web.security(arguments.web_config_file)
    path = flags.config_path(arguments.config_file, configuration.DEFAULT_PATH)
    config = configuration.load(path)
    with configuration.built_from(path):
        store_path(config.store_url)
        remediations, channels = build_remediations(config), build_channels(config)
    return (
        f"{path or 'built-in defaults'}: valid: mode {config.mode}, {len(config.playbooks)} playbooks, "
        f"{len(remediations)} remediation kinds, channels {', '.join(channels) or 'none'}\n"
    )
