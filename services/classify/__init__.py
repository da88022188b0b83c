"""classify: reports.published.v1 -> reports.tagged.v1."""
