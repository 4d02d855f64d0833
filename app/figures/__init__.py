"""Figures from data, without Streamlit: data in, figure out."""
