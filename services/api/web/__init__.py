"""Routes, forms and pages."""
