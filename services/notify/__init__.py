"""notify: reports.tagged.v1 -> deliveries -> webhooks and mails"""
