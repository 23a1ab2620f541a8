# SPDX-License-Identifier: GPL-2.0-or-later
"""The parts that bench/run is made of; bench/README.md says how a row uses it."""
