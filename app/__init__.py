"""The dashboard: thin Streamlit pages over pure figure builders."""
