# SPDX-License-Identifier: GPL-2.0-or-later
"""What bench/run is made of; bench/README.md says how a row uses it."""
